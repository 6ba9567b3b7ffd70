"""Every parameter of a run, declared once.

From these classes (a file for each group) come the command-line flags (``--{group}_{name}``), the TOML keys, the
dashboard's widgets and their tooltips, the validation and the parameter table of the documentation. Names and
defaults are those of scGNN 2.0 (Gu et al., Bioinformatics 2022) where it has the parameter; a preset is a set of values
laid over them.

Essentials have ``precedence`` 1, the rest 2 (folded away on a screen).
"""

from scgnn2_engine.params.autoencoders import ClusterAEParams, FeatureAEParams
from scgnn2_engine.params.bulk import (
    DeconvOpt1Params,
    DeconvOpt2Params,
    DeconvOpt3Params,
    DeconvParams,
    DeconvTuneParams,
)
from scgnn2_engine.params.clustering import ClusteringParams
from scgnn2_engine.params.fields import ADVANCED, ESSENTIAL, StageParams
from scgnn2_engine.params.graph import GATParams, GraphAEParams
from scgnn2_engine.params.loading import LoadParams
from scgnn2_engine.params.output import EvaluateParams, OutputParams
from scgnn2_engine.params.preprocessing import LTMGParams, PreprocessParams
from scgnn2_engine.params.presets import PRESETS, REFUSED
from scgnn2_engine.params.run_params import RunParams, every_parameter, find_parameter, sections, unknown_parameter
from scgnn2_engine.params.toml import read_toml
from scgnn2_engine.params.values import allowed_range

__all__ = [
    "ADVANCED",
    "ESSENTIAL",
    "PRESETS",
    "REFUSED",
    "ClusterAEParams",
    "ClusteringParams",
    "DeconvOpt1Params",
    "DeconvOpt2Params",
    "DeconvOpt3Params",
    "DeconvParams",
    "DeconvTuneParams",
    "EvaluateParams",
    "FeatureAEParams",
    "GATParams",
    "GraphAEParams",
    "LTMGParams",
    "LoadParams",
    "OutputParams",
    "PreprocessParams",
    "RunParams",
    "StageParams",
    "allowed_range",
    "every_parameter",
    "find_parameter",
    "read_toml",
    "sections",
    "unknown_parameter",
]
