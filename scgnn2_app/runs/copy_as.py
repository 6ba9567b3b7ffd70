"""A run as text: the Python, the command line and the TOML that give the same."""

from __future__ import annotations

import shlex
from typing import Any

from scgnn2_app.sources.source import Source, named_files
from scgnn2_engine.params import RunParams


def as_python(source: Source, params: RunParams) -> str:
    """A script that does this run.

    Examples
    --------
    >>> print(as_python(Source.at("/data/pbmc.h5ad"), RunParams(seed=7)))
    import scgnn2_engine as sc2
    <BLANKLINE>
    params = sc2.RunParams(
        preset='default',
        seed=7,
    )
    result = sc2.fit('/data/pbmc.h5ad', params)
    sc2.write(result, 'outputs/', params=params)
    """
    values = _values(source, params)
    out = values.pop("output_dir", params.output.dir)
    lines = [f"    preset={params.preset!r},", *(f"    {key}={value!r}," for key, value in values.items())]
    return "\n".join(
        [
            "import scgnn2_engine as sc2",
            "",
            "params = sc2.RunParams(",
            *lines,
            ")",
            f"result = sc2.fit({_data_in_python(source)}, params)",
            f"sc2.write(result, {out!r}, params=params)",
        ]
    )


def as_command(source: Source, params: RunParams) -> str:
    """The command line that does this run.

    Examples
    --------
    >>> print(as_command(Source.demo(), RunParams(preset="paper", feature_AE_epoch=[50, 30], graph_AE_use_GAT=False)))
    scgnn2 run demo --output_dir outputs/ --preset paper --load_cell_type_labels bulk_labels --feature_AE_epoch 50 30
      --no-graph_AE_use_GAT
    """
    values = _values(source, params)
    out = str(values.pop("output_dir", params.output.dir))
    words = ["scgnn2", "run", *_data_on_the_command_line(source), "--output_dir", out, "--preset", params.preset]
    for key, value in values.items():
        words += _flag(key, value)
    return shlex.join(words)


def as_toml(source: Source, params: RunParams) -> str:
    """Every parameter as documented TOML, the labels and bulk of the source among them; above it how to run it.

    Examples
    --------
    >>> as_toml(Source.at("/data/pbmc.h5ad"), RunParams()).splitlines()[0]
    '# Run with: scgnn2 run /data/pbmc.h5ad --config run.toml'
    """
    command = shlex.join(["scgnn2", "run", *_data_on_the_command_line(source), "--config", "run.toml"])
    whole = params.replace(**named_files(source, params.to_dict()))
    return f"# Run with: {command}\n\n{whole.to_toml()}"


def _flag(key: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [f"--{key}" if value else f"--no-{key}"]
    if isinstance(value, list):
        return [f"--{key}", *map(str, value)]
    return [f"--{key}", str(value)]


def _data_on_the_command_line(source: Source) -> list[str]:
    return {"demo": ["demo"], "flags": []}.get(source.kind, [source.path])


def _data_in_python(source: Source) -> str:
    if source.kind == "demo":
        return "sc2.demo()"
    return "None" if source.kind == "flags" else repr(source.path)


def _values(source: Source, params: RunParams) -> dict[str, Any]:
    changed = {key: value for key, value in params.changed().items() if key != "preset"}
    return named_files(source, params.to_dict()) | changed
