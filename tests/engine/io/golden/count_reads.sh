#!/bin/sh
# Counts the reads of simulate.py with kb-python, STAR, featureCounts and htseq-count, and leaves what they wrote in the
# folders kb_python, starsolo, featurecounts, htseq and reads_per_gene here. Called by make_golden.sh, which says where
# the tools are: KB, STAR, FEATURECOUNTS, HTSEQ (programs), SIM (an empty folder; all paths in the files are relative
# to it) and PYTHON (with numpy).
set -eu
here=$PWD
"$PYTHON" simulate.py "$SIM"
cd "$SIM"

# ------------------------------------------------------------------------------------------------------------ kb-python
"$KB" ref -i standard.idx -g standard.t2g -f1 standard.fa genome.fa genes.gtf
"$KB" ref --workflow nac -i nac.idx -g nac.t2g -f1 cdna.fa -f2 nascent.fa -c1 cdna.txt -c2 nascent.txt genome.fa genes.gtf
kept=$here/kb_python
rm -rf "$kept"
mkdir "$kept"
count() { # NAME OPTION...: what stands in counts_unfiltered is kept as NAME/counts_unfiltered
    name=$1
    shift
    "$KB" count -t 2 -x 10XV3 -w whitelist.txt -o "kb_$name" "$@" R1.fastq R2.fastq
    mkdir "$kept/$name"
    cp -r "kb_$name/counts_unfiltered" "$kept/$name/"
}
standard="-i standard.idx -g standard.t2g"
nac="-i nac.idx -g nac.t2g --workflow nac -c1 cdna.txt -c2 nascent.txt"
count standard $standard
count h5ad $standard --h5ad
count loom $standard --loom
count multimapping $standard --mm
count tcc $standard --tcc
count nac $nac --cellranger
count nac_sum $nac --sum total --h5ad --gene-names
count nac_loom $nac --loom --loom-names velocyto
count cellranger $standard --cellranger
rm "$kept"/cellranger/counts_unfiltered/cells_x_genes* "$kept"/nac_loom/counts_unfiltered/cells_x_genes*
rm "$kept"/loom/counts_unfiltered/cells_x_genes*

# ----------------------------------------------------------------------------------------------------------------- STAR
mkdir genome
"$STAR" --runMode genomeGenerate --genomeDir genome --genomeFastaFiles genome.fa --sjdbGTFfile genes.gtf \
    --genomeSAindexNbases 5 --sjdbOverhang 90
"$STAR" --genomeDir genome --readFilesIn R2.fastq R1.fastq --soloType CB_UMI_Simple --soloCBwhitelist whitelist.txt \
    --soloUMIlen 12 --soloFeatures Gene GeneFull Velocyto SJ --soloMultiMappers Unique EM Uniform --outSAMtype None
kept=$here/starsolo
rm -rf "$kept"
cp -rL Solo.out "$kept" # SJ/raw/features.tsv is a link to SJ.out.tab, by its absolute path
rm -r "$kept"/GeneFull/filtered "$kept"/Velocyto/filtered
find "$kept" -name '*.stats' -delete -o -name '*.csv' -delete -o -name UMIperCellSorted.txt -delete
chmod -R u+rwX,go+rX "$kept"

kept=$here/reads_per_gene
rm -rf "$kept"
mkdir "$kept"
for well in A1 A2 B1 B2; do
    "$STAR" --genomeDir genome --readFilesIn "well_$well.fastq" --quantMode GeneCounts --outSAMtype BAM SortedByCoordinate \
        --outSAMunmapped Within --outFileNamePrefix "$well."
    mv "$well.Aligned.sortedByCoord.out.bam" "$well.bam"
    cp "$well.ReadsPerGene.out.tab" "$kept"
done
wells="A1.bam A2.bam B1.bam B2.bam"

# --------------------------------------------------------------------------------------------------------- featureCounts
kept=$here/featurecounts
rm -rf "$kept"
mkdir "$kept"
PATH=$(dirname "$FEATURECOUNTS"):$PATH # its name without a folder stands in the first line of what it writes
featureCounts -a genes.gtf -o counts.txt $wells
featureCounts -a genes.gtf --extraAttributes gene_name,gene_biotype -o extra_attributes.txt $wells
featureCounts -M --fraction -a genes.gtf -o fraction.txt $wells
featureCounts -f -a genes.gtf -o exons.txt $wells
cp counts.txt counts.txt.summary extra_attributes.txt fraction.txt exons.txt "$kept"

# ---------------------------------------------------------------------------------------------------------- htseq-count
kept=$here/htseq
rm -rf "$kept"
mkdir "$kept"
"$HTSEQ" $wells genes.gtf > "$kept/printed.tsv"
"$HTSEQ" --with-header $wells genes.gtf -c "$kept/with_header.tsv"
"$HTSEQ" --with-header --additional-attr gene_name $wells genes.gtf -c "$kept/with_names.tsv"
"$HTSEQ" A1.bam genes.gtf > "$kept/A1.counts"
"$HTSEQ" A2.bam genes.gtf > "$kept/A2.counts"
"$HTSEQ" --additional-attr gene_name $wells genes.gtf -c "$kept/counts.h5ad"
"$HTSEQ" $wells genes.gtf -c "$kept/counts.loom" # with --additional-attr it fails: ValueError of loompy
"$HTSEQ" $wells genes.gtf -c "$kept/counts.mtx"
"$HTSEQ" --counts-output-sparse $wells genes.gtf -c "$kept/sparse.mtx"
"$HTSEQ" -a 0 --nonunique fraction --with-header $wells genes.gtf -c "$kept/fraction.tsv"
