"""Tables and bars from cells made by hand, to the digit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scgnn2_engine.benchmark.bars import bars
from scgnn2_engine.benchmark.cells import Cell, newest_cells
from scgnn2_engine.benchmark.report import compared, markdown, write_report
from scgnn2_engine.benchmark.tables import METRICS, Scores, long_table, marks
from scgnn2_engine.errors import InputError
from scgnn2_engine.io.results.records import json_text

MASKED, ZEROS, ARI, POISSON, ISOTONIC, _ = METRICS
ISOTONIC_BAR = "held-out counts: squared error"


def cell(method, protocol, scores, *, data_set="a", seed=0, kind="baseline", **more):
    return {
        "data_set": data_set,
        "method": method,
        "kind": kind,
        "seed": seed,
        "protocol": protocol,
        "key": "k",
        "date": "2026-11-24T10:00:00+00:00",
        "machine": {"cpu": "a processor", "cores": 2},
        "versions": {"scgnn2": "0.1.0"},
        "entries": "e",
        "seconds": 2.0,
        "peak_memory": 3 * 2**20,
        "scores": scores,
        "traits": {"commonest_value_share": 0.1, "share_of_ones": 0.2},
        **more,
    }


def masked(method, values, *, zero=0.5, **more):
    return [
        cell(
            method,
            "mask",
            {"imputed": {"masked_l1_median": value, "zero_l1_mean": zero, "masked_noise_floor": 0.2}},
            seed=seed,
            **more,
        )
        for seed, value in enumerate(values)
    ]


def clusters(method, values, **more):
    return [
        cell(method, "clusters", {"clusters": {"ari": value}}, seed=seed, **more) for seed, value in enumerate(values)
    ]


def thinned(method, isotonic, poisson, **more):
    return [cell(method, "thinning", {"imputed": {"isotonic_mse": isotonic, "poisson_scaled": poisson}}, **more)]


def others(metric, *there):
    return ", ".join(name for name in metric.rivals if name not in there)


def rivals_of(metric, make, values, **more):
    """The same scores for every baseline that a metric is compared with."""
    return [each for name in metric.rivals for each in make(name, values, **more)]


def verdicts(cells, method="default"):
    return {bar.requirement: bar for bar in bars(Scores(long_table(cells)), method, marks(cells))}


def verdict(cells, start, method="default"):
    (bar,) = (bar for requirement, bar in verdicts(cells, method).items() if requirement.startswith(start))
    return bar


def test_medians_spreads_and_the_best_baseline():
    cells = masked("knn", [0.2, 0.3, 0.7]) + masked("soft_svd", [0.4, 0.4, 0.1]) + masked("alra", [0.0, 0.0, 0.0])
    scores = Scores(long_table(cells + masked("default", [0.15, 0.3, 0.6], kind="preset")))
    assert scores.methods == ["default", "knn", "soft_svd", "alra"]
    assert scores.runs == ["default"]
    assert scores.median("a", "knn", "masked_l1_median") == 0.3
    assert scores.spread("a", "knn", "masked_l1_median") == pytest.approx(np.std([0.2, 0.3, 0.7], ddof=1))
    assert scores.best("a", MASKED) == ("knn", 0.3)  # alra is no rival: it changes what was observed
    assert scores.against_best("a", "default", MASKED) == 1.0
    assert scores.median("a", "default", "ari") is None


def test_a_method_is_compared_over_the_seeds_that_it_has():
    cells = masked("knn", [0.2, 0.3, 0.7]) + masked("default", [0.1], kind="preset")
    assert Scores(long_table(cells)).against_best("a", "default", MASKED) == 0.5


def test_the_bars_of_the_masked_error():
    cells = rivals_of(MASKED, masked, [0.4]) + rivals_of(MASKED, masked, [0.5], data_set="b")
    cells += masked("default", [0.36], kind="preset") + masked("default", [0.5], kind="preset", data_set="b")
    every = verdict(cells, "masked median error < the best")
    assert (every.verdict, every.found) == ("missed", "a 0.900×, b 1.000× (missed)")
    mean = verdict(cells, "masked median error ≤ 0.97")
    assert (mean.verdict, mean.found) == ("met", "0.950× over 2 data sets")
    gap = verdict(cells, "share closed of the gap")
    assert (gap.verdict, gap.found) == ("no bar", "a 20%, b 0%")


def test_a_masked_error_that_means_little_counts_for_no_bar_but_stays_in_the_table():
    ones = {"commonest_value_share": 0.34, "share_of_ones": 0.34}
    cells = masked("knn", [0.4], traits=ones) + masked("default", [0.5], kind="preset", traits=ones)
    assert verdict(cells, "masked median error < the best").verdict == "not measured"
    text = markdown(cells, long_table(cells))
    assert "| method | a † |" in text
    assert "| default | 0.500 (1.25×) |" in text
    assert "† A third or more of the non-zero entries have one value" in text
    shown = compared(long_table(cells), marks(cells))
    assert "masked_l1_median" not in set(shown["metric"])
    assert "masked_l1_median" in set(compared(long_table(cells))["metric"])


def test_zeros_are_compared_with_magic():
    cells = masked("magic", [0.4], zero=0.2) + masked("default", [0.3], zero=0.2, kind="preset")
    assert verdict(cells, "mean value at zeros").verdict == "met"
    cells = masked("magic", [0.4], zero=0.2) + masked("default", [0.3], zero=0.21, kind="preset")
    assert verdict(cells, "mean value at zeros").found == "a 1.050× (missed)"
    alone = verdict(cells[1:], "mean value at zeros")
    assert (alone.verdict, alone.found) == ("not measured", "no score of magic")


def test_a_bar_says_which_of_its_rivals_have_no_score():
    cells = thinned("knn", 2.0, 1.0) + thinned("default", 0.9, 0.9, kind="preset")
    bar = verdict(cells, ISOTONIC_BAR)
    assert (bar.verdict, bar.found) == (f"met against knn only (no score of {others(ISOTONIC, 'knn')})", "a 0.450×")
    worse = thinned("knn", 0.5, 0.5) + thinned("default", 0.9, 0.9, kind="preset")
    assert verdict(worse, ISOTONIC_BAR).verdict == f"missed against knn only (no score of {others(ISOTONIC, 'knn')})"
    alone = verdict(cells[1:], ISOTONIC_BAR)
    assert (alone.verdict, alone.found) == ("not measured", f"no score of {others(ISOTONIC)}")
    failed = {**cell("magic", "thinning", {}), "error": "no memory"}
    assert verdict([*cells, failed], ISOTONIC_BAR).verdict == bar.verdict
    cells = rivals_of(ARI, clusters, [0.5])[1:] + clusters("default", [0.6], kind="preset")
    leiden = others(ARI, "pca_kmeans")
    for start in ("ARI ≥ the best", "ARI nowhere more than"):
        assert verdict(cells, start).verdict == f"met against {leiden} only (no score of pca_kmeans)"
    cells = masked("knn", [0.4]) + masked("soft_svd", [0.5]) + masked("default", [0.3], kind="preset")
    gap = verdict(cells, "share closed of the gap")
    lacking = others(MASKED, "knn", "soft_svd")
    assert (gap.verdict, gap.found) == (f"no bar, against knn, soft_svd only (no score of {lacking})", "a 50%")


def test_a_bar_says_on_which_data_sets_a_rival_has_no_score():
    cells = [each for name in ISOTONIC.rivals for each in thinned(name, 2.0, 1.0)]
    cells += thinned("knn", 2.0, 1.0, data_set="b") + thinned("knn", 2.0, 1.0, data_set="c")
    cells += thinned("alra", 2.0, 1.0, data_set="c")
    cells += [each for name in "abcd" for each in thinned("default", 1.0, 0.5, data_set=name, kind="preset")]
    bar = verdict(cells, ISOTONIC_BAR)
    lacking = [
        f"of {others(ISOTONIC, *there)} on {name}"
        for there, name in ((["knn"], "b"), (["knn", "alra"], "c"), ([], "d"))
    ]
    assert bar.verdict == f"met without a score {'; '.join(lacking)}"
    assert bar.found == f"a 0.500×, b 0.500×, c 0.500×; d: no score of {others(ISOTONIC)}"


def test_a_rival_counts_over_the_seeds_of_the_method():
    cells = thinned("knn", 2.0, 1.0, seed=1) + thinned("alra", 2.0, 1.0) + thinned("default", 1.0, 0.5, kind="preset")
    assert verdict(cells, ISOTONIC_BAR).verdict == f"met against alra only (no score of {others(ISOTONIC, 'alra')})"


def test_data_sets_without_a_score_of_the_method_are_named():
    cells = [each for name in "abc" for each in rivals_of(MASKED, masked, [0.4], data_set=name)]
    cells += masked("default", [0.3], kind="preset")
    every, mean = verdict(cells, "masked median error <"), verdict(cells, "masked median error ≤")
    assert (every.verdict, every.found) == ("met", "a 0.750×; b, c: no score")
    assert (mean.verdict, mean.found) == ("met", "0.750× over 1 data set; b, c: no score")
    assert verdict(cells, "share closed of the gap").found == "a 50%; b, c: no score"
    ari = verdict(cells, "ARI ≥ the best")
    assert (ari.verdict, ari.found) == ("not measured", "no score")
    cells = clusters("default", [0.5, 0.5], kind="preset") + clusters("default", [0.5], kind="preset", data_set="b")
    spread = verdict(cells, "standard deviation of ARI")
    assert (spread.verdict, spread.found) == ("met", "a +0.000; b: one seed only")
    cells += clusters("paper", [0.4], kind="preset", data_set="b")
    above = verdict(cells, "ARI ≥ 0.05 above preset paper")
    assert above.verdict == "met without a score of paper on a"
    assert above.found == "+0.100 over 1 data set; a: no score of paper"


def test_the_bars_of_the_clusters():
    cells = rivals_of(ARI, clusters, [0.5, 0.7]) + clusters("pca_leiden_0.8", [0.6, 0.7])
    cells += clusters("default", [0.6, 0.64], kind="preset") + clusters("paper", [0.5, 0.6], kind="preset")
    mean = verdict(cells, "ARI ≥ the best")
    assert (mean.verdict, mean.found) == ("missed", "-0.030 over 1 data set")
    assert verdict(cells, "ARI nowhere more than 0.03 below").verdict == "met"
    above = verdict(cells, "ARI ≥ 0.05 above preset paper")
    assert (above.verdict, above.found) == ("met", "+0.070 over 1 data set")
    assert verdict(cells, "ARI ≥ 0.05 above preset paper", "paper").verdict == "not measured"
    spread = verdict(cells, "standard deviation of ARI")
    assert (spread.verdict, spread.found) == ("met", "a +0.028")
    assert verdict(cells, "standard deviation of ARI", "paper").verdict == "missed"


def test_the_bars_of_count_thinning_leave_out_reads():
    reads = {"commonest_value_share": 0.01, "share_of_ones": 0.01}
    cells = thinned("no_denoising", 0.1, 0.9)
    cells += [each for name in ISOTONIC.rivals for each in thinned(name, 1.0 if name == "alra" else 2.0, 0.5)]
    cells += thinned("default", 0.9, 0.6, kind="preset")
    cells += thinned("knn", 1.0, 0.9, data_set="b", traits=reads)
    cells += thinned("default", 5.0, 0.1, data_set="b", traits=reads, kind="preset")
    isotonic, poisson = verdict(cells, ISOTONIC_BAR), verdict(cells, "held-out counts: Poisson")
    assert (isotonic.verdict, isotonic.found) == ("met", "a 0.900×")
    assert (poisson.verdict, poisson.found) == ("met", "a +0.100")
    equal = [{**each, "scores": {"imputed": {"poisson_scaled": 0.5}}} for each in cells if each["data_set"] == "a"]
    assert verdict(equal, "held-out counts: Poisson").verdict == "missed"
    assert "| method | a | b ‡ |" in markdown(cells, long_table(cells))


def test_every_output_is_in_the_long_table_and_one_of_them_is_scored():
    outputs = {"imputed": {"mse_op": 3.0, "poisson_op": 1.0}, "rate": {"mse_op": 4.0, "poisson_op": 0.5}}
    table = long_table([cell("default", "thinning", outputs, scored={"mse_op": "imputed", "poisson_op": "rate"})])
    scored = table[table["scored"]].set_index("metric")
    assert len(table) == 4
    assert scored["output"].to_dict() == {"mse_op": "imputed", "poisson_op": "rate"}
    assert scored["value"].to_dict() == {"mse_op": 3.0, "poisson_op": 0.5}


def test_agreement_between_seeds_needs_no_types():
    labels = ([0, 0, 1, 1], [1, 1, 0, 0], [0, 1, 0, 1])
    cells = [
        cell("knn", "clusters", {"clusters": {"ari": None}}, seed=seed, labels=each) for seed, each in enumerate(labels)
    ]
    table = long_table(cells)
    value = table.loc[table["metric"] == "ari_between_seeds", "value"].item()
    assert value == pytest.approx((1 - 0.5 - 0.5) / 3)
    text = markdown(cells, table)
    assert "| knn | 0.000 |" in text
    assert "(mean ARI of all pairs; needs no labels)" in text
    cells += [{**each, "method": "pca_kmeans"} for each in cells]
    text = markdown(cells, long_table(cells))
    assert "(mean ARI of all pairs; needs no labels, but pca_kmeans was told the number of types)" in text


def test_seconds_and_memory_are_of_thinning_where_nothing_else_was_run():
    alone = {"seconds": 7.0, "peak_memory": 5 * 2**20}
    cells = thinned("default", 1.0, 1.0, kind="preset", **alone)
    text = markdown(cells, long_table(cells))
    assert "| default | 7.0 |" in text.partition("## Seconds")[2]
    assert "| default | 5 |" in text.partition("## Peak memory")[2]
    cells += masked("default", [0.3], kind="preset") + thinned("knn", 1.0, 1.0, **alone)
    cells += thinned("knn", 1.0, 1.0, data_set="b", **alone) + masked("knn", [0.4], data_set="b")
    text = markdown(cells, long_table(cells)).partition("## Seconds")[2]
    assert "| default | 2.0 | — |" in text
    assert "| knn | 7.0 | 2.0 |" in text


def test_a_stroke_in_a_name_is_no_border():
    cells = masked("knn", [0.4], data_set="a|b") + masked("default", [0.3], kind="preset", data_set="a|b")
    text = markdown(cells, long_table(cells))
    assert "| method | a\\|b |" in text
    assert "| a\\|b 0.750× |" in text


def test_the_table_puts_each_score_beside_the_best_baseline():
    cells = clusters("pca_kmeans", [0.5, 0.7]) + clusters("pca_leiden_0.8", [0.4, 0.4])
    cells += clusters("default", [0.7, 0.9], kind="preset") + masked("knn", [0.4]) + masked("magic", [0.5])
    cells += masked("default", [0.3], kind="preset", data_set="b")
    text = markdown(cells, long_table(cells))
    assert "| pca_kmeans | **0.600 ± 0.141** |" in text
    assert "| pca_leiden_0.8 | 0.400 ± 0.000 |" in text
    assert "| default | 0.800 ± 0.141 (+0.200) |" in text
    assert "| knn | **0.400** | — |" in text
    assert "| default | — | 0.300 |" in text
    assert "seeds 0, 1." in text
    assert "a processor, 2 cores" in text


def test_failed_and_inapplicable_cells_are_named():
    cells = [
        *masked("knn", [0.4]),
        {**cell("magic", "mask", {}), "error": "no memory"},
        {**cell("knn", "thinning", {}), "skipped": "a cannot be thinned: its values are logged, not counts"},
        {**cell("alra", "thinning", {}), "skipped": "a cannot be thinned: its values are logged, not counts"},
    ]
    text = markdown(cells, long_table(cells))
    assert "- a (mask; magic; seed 0): no memory." in text
    assert "- a (thinning; knn, alra; seed 0): a cannot be thinned: its values are logged, not counts." in text


def write(folder, cells):
    (folder / "cells").mkdir(parents=True, exist_ok=True)
    for number, each in enumerate(cells):
        (folder / "cells" / f"{each['method']}-{each['key']}-{number}.json").write_text(json_text(each))


def test_seeds_of_different_parameters_are_never_taken_together(tmp_path):
    old = masked("knn", [0.1, 0.1, 0.1])
    new = [{**each, "key": "n", "date": "2026-11-25T10:00:00+00:00"} for each in masked("knn", [0.4])]
    write(tmp_path, [*old, *new])
    cells, n_left_out = newest_cells(tmp_path)
    assert (len(cells), n_left_out) == (1, 3)
    _, notes = write_report(tmp_path)
    assert "3 cells of other parameters or data" in notes[0]
    assert "**0.400**" in (tmp_path / "benchmark.md").read_text()


def test_what_was_asked_for_is_shown_though_other_cells_are_newer(tmp_path):
    newer = {"key": "n", "date": "2026-11-25T10:00:00+00:00"}
    write(tmp_path, masked("knn", [0.1, 0.1]) + masked("knn", [0.4], **newer))
    write(tmp_path, masked("soft_svd", [0.2]) + masked("soft_svd", [0.3], **newer))
    asked = [Cell("a", "knn", 0, "mask", "k", "d")]
    cells, n_left_out = newest_cells(tmp_path, asked)
    shown = [(each["method"], each["key"], each["seed"]) for each in cells]
    assert sorted(shown) == [("knn", "k", 0), ("knn", "k", 1), ("soft_svd", "n", 0)]
    assert n_left_out == 2
    _, notes = write_report(tmp_path, asked, ["magic is left out."])
    assert notes == ["magic is left out.", "2 cells of other parameters or data than those shown are left out."]
    text = (tmp_path / "benchmark.md").read_text()
    assert "| knn | **0.100** |" in text
    assert "- magic is left out.\n" in text
    missing = [Cell("a", name, 0, "mask", "other", "d") for name in ("knn", "soft_svd")]
    with pytest.raises(InputError, match="none of the cells that were asked for"):
        newest_cells(tmp_path, missing)


def test_cells_of_other_data_of_the_same_name_are_never_compared(tmp_path):
    later = {"date": "2026-11-25T10:00:00+00:00", "data": "new"}
    write(tmp_path, clusters("pca_kmeans", [0.9], data="old") + clusters("default", [0.5], kind="preset", **later))
    write(tmp_path, clusters("pca_leiden_0.8", [0.4]))  # of an earlier version, which did not say
    cells, n_left_out = newest_cells(tmp_path)
    assert sorted(each["method"] for each in cells) == ["default", "pca_leiden_0.8"]
    assert n_left_out == 1
    cells, _ = newest_cells(tmp_path, [Cell("a", "knn", 0, "mask", "k", "old")])
    assert sorted(each["method"] for each in cells) == ["pca_kmeans", "pca_leiden_0.8"]


def test_cells_of_a_method_with_different_parameters_are_pointed_out(tmp_path):
    halves = [{"alpha": 0.5, "threads": n, "total_epoch": 3} for n in (1, 2)]
    runs = masked("default", [0.3], kind="preset", parameters=halves[0])
    runs += clusters("default", [0.5], kind="preset", parameters=halves[1])
    write(tmp_path, runs)
    assert write_report(tmp_path)[1] == []
    write(tmp_path, [{**runs[0], "parameters": {**halves[0], "alpha": 1.0}, "key": "n", "date": "2026-11-26"}])
    assert write_report(tmp_path)[1] == [
        "1 cells of other parameters or data than those shown are left out.",
        "The cells of default are not all of the same parameters: alpha.",
    ]


def test_scores_of_other_entries_are_pointed_out(tmp_path):
    write(
        tmp_path, masked("knn", [0.4]) + masked("magic", [0.4]) + masked("default", [0.3], kind="preset", entries="f")
    )
    _, notes = write_report(tmp_path)
    assert notes == [
        "a, mask, seed 0: default saw other cells, genes or entries than the rest, so those scores cannot be compared."
    ]


def test_runs_that_were_cut_off_changed_or_lack_seeds_are_pointed_out(tmp_path):
    runs = masked("default", [0.3, 0.4], kind="preset", stopped_by="max_seconds")
    runs = [{**run, "engine": f"state {number}"} for number, run in enumerate(runs)]
    write(tmp_path, masked("knn", [0.4, 0.4, 0.4]) + runs)
    _, notes = write_report(tmp_path)
    assert notes == [
        "The cells of default come from 2 different states of this program.",
        "default was cut off by its time budget and may be worth more: a seed 0, a seed 1.",
        "default has seeds 0, 1 only; it is compared over these.",
    ]


def test_the_report_has_a_table_a_text_and_a_figure(tmp_path):
    write(tmp_path, masked("knn", [0.4]) + masked("soft_svd", [0.5]) + clusters("pca_kmeans", [0.5]))
    paths, notes = write_report(tmp_path)
    assert [path.name for path in paths] == ["scores.csv", "benchmark.md", "benchmark.html", "benchmark.png"]
    assert notes == []
    table = pd.read_csv(tmp_path / "scores.csv")
    assert table.loc[table["method"] == "soft_svd", "value"].tolist() == [0.5, 0.2, 0.5]
    assert "| *noise floor, estimated* | 0.200 |" in (tmp_path / "benchmark.md").read_text()
    assert (tmp_path / "benchmark.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "benchmark.html").read_text()
    assert "soft_svd" in page
    assert "cdn.bokeh.org" not in page.split("</script>")[-1]


def test_a_folder_without_cells_and_a_damaged_cell_are_named(tmp_path):
    with pytest.raises(InputError, match="no benchmark in"):
        write_report(tmp_path)
    write(tmp_path, masked("knn", [0.4]))
    (tmp_path / "cells" / "broken.json").write_text('{"data_set": "a"}')
    with pytest.raises(InputError, match=r"broken\.json cannot be read: it is not a cell"):
        write_report(tmp_path)


def test_tasks_are_counted_against_the_matrix_as_it_was():
    def of_tasks(method, ari, order, **more):
        return [cell(method, "tasks", {"imputed": {"task_ari": ari, "task_order": order}}, **more)]

    cells = of_tasks("zeros", 0.5, 0.5) + of_tasks("knn", 0.7, 0.1) + of_tasks("default", 0.6, 0.4, kind="preset")
    worse, best = verdict(cells, "tasks: not worse"), verdict(cells, "tasks: no baseline")
    assert (worse.verdict, worse.found) == ("missed", "1 of 2; order of a -0.100")
    assert (best.verdict, best.found) == ("missed", "0 of 2")
    better = verdict(cells[:1] + of_tasks("default", 0.6, 0.5, kind="preset"), "tasks: not worse")
    assert (better.verdict, better.found) == ("met", "2 of 2")
    alone = clusters("default", [0.5], kind="preset")
    assert verdict(alone, "tasks: no baseline").verdict == "not measured"
    assert "| default | 0.600 (+0.100) |" in markdown(cells, long_table(cells))
