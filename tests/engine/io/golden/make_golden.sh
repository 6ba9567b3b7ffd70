#!/bin/sh
# Makes the files of this folder again with the real tools, at the versions they were made with. Needs the package
# indexes of Python and Debian 12, Python 3.11, 3.12 and 3.13; nothing is installed outside a temporary folder. Not run by CI.
#   ./make_golden.sh            all of them
#   ./make_golden.sh anndata    one step: anndata
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PYTHONDONTWRITEBYTECODE=1

environment() { # NAME PYTHON PACKAGE...: a Python of its own in $work/NAME
    name=$1 python=$2
    shift 2
    "$python" -m venv "$work/$name"
    "$work/$name/bin/pip" install --quiet "$@"
}

make_anndata() {
    environment old python3.11 anndata==0.12.19 zarr==3.1.6 pandas==2.3.3 numpy==2.4.6 scipy==1.17.1 h5py==3.16.0 \
        loompy==3.0.8 mudata==0.3.10
    "$work/old/bin/python" with_anndata.py anndata_0.12
    environment new python3.13 anndata==0.13.4 zarr==3.4.2 pandas==3.1.1 numpy==2.5.5 scipy==1.18.1 h5py==3.16.0 \
        loompy==3.0.8 mudata==0.4.1
    "$work/new/bin/python" with_anndata.py anndata_0.13
}

make_counts() {
    environment old python3.11 anndata==0.12.19 pandas==2.3.3 numpy==2.4.6 scipy==1.17.1 h5py==3.16.0 loompy==3.0.8 \
        HTSeq==2.1.2 pysam==0.24.1
    environment kb python3.11 kb-python==0.30.2
    mkdir -p "$work/debs" "$work/debian" "$work/reads"
    (cd "$work/debs" && apt-get download rna-star=2.7.10b+dfsg-2+b2 subread=2.0.3+dfsg-1 libhts3 libhtscodecs2 libdeflate0)
    for package in "$work"/debs/*.deb; do dpkg -x "$package" "$work/debian"; done
    LD_LIBRARY_PATH=$(echo "$work"/debian/usr/lib/*-linux-gnu) \
        STAR=$work/debian/usr/lib/rna-star/bin/STAR-plain FEATURECOUNTS=$work/debian/usr/bin/featureCounts \
        KB=$work/kb/bin/kb HTSEQ=$work/old/bin/htseq-count PYTHON=$work/old/bin/python SIM=$work/reads ./count_reads.sh
    "$work/old/bin/python" describe_counts.py
}

make_tables() { # R of Debian 12: r-base-core, r-cran-data.table, r-bioc-dropletutils
    environment tables python3.13 pandas==3.1.1 pyarrow==26.0.1 zstandard==0.25.0 scipy==1.18.1 numpy==2.5.5
    "$work/tables/bin/python" with_pandas.py
    Rscript --vanilla with_r.R
    Rscript --vanilla with_dropletutils.R
    "$work/tables/bin/python" describe_r.py
}

make_plugins() {
    environment plugins python3.12 tiledbsoma==2.3.0 anndata==0.12.19 pandas==2.3.3 hdf5plugin==7.1.0 h5py==3.16.0
    "$work/plugins/bin/python" with_plugins.py
}

for step in ${*:-anndata counts tables plugins}; do
    "make_$step"
done
