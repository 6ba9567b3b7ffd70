#!/bin/sh
# htseq-count --nonunique leaves out what STAR maps to several places, and never splits a read over its places
#
# HTSeq 2.1.2. Input: what STAR 2.7.10b writes for reads with two places: two lines each, NH:i:2, mapping quality 3, the
# second marked as secondary. Two genes that are copies of each other; 4 such reads, one that fits the first gene alone.
# Expected: with "all", 4 more for each gene; with "fraction", 2 more for each (as featureCounts -M --fraction gives).
# Seen: (1) no gene gains: such reads are below the default -a 10, whatever --nonunique says, and they stand in
# __too_low_aQual as well as in __alignment_not_unique: nine reads where there are five.
# (2) with -a 0, "fraction" is about genes that overlap, not about places: a read counts 1 where its primary line lies
# (which STAR draws at random), 0 at the other.
#
#                              first, second, __too_low_aQual, __alignment_not_unique
#   none (the default)         1      0       0                4
#   all                        1      0       4                4
#   all, -a 0                  2      3       0                4
#   fraction, -a 0             2      3       0                4
#   featureCounts -M --fraction: 3 and 2
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv env # 3.11 or newer
env/bin/pip install -q HTSeq==2.1.2 pysam==0.24.1 numpy==2.4.6
apt-get download -qq subread=2.0.3+dfsg-1 2> /dev/null
dpkg -x subread_*.deb debian

gene() { printf 'chr1\tx\texon\t%s\t%s\t.\t+\t.\tgene_id "%s"; transcript_id "%s.1";\n' "$2" "$3" "$1" "$1"; }
{ gene first 1 500 && gene second 1001 1500; } > genes.gtf
line() { # NAME FLAG POSITION QUALITY PLACES
    printf '%s\t%s\tchr1\t%s\t%s\t50M\t*\t0\t0\t%s\t%s\tNH:i:%s\n' "$1" "$2" "$3" "$4" "$bases" "$good" "$5"
}
bases=$(printf 'A%.0s' $(seq 50)) good=$(printf 'I%.0s' $(seq 50))
{
    printf '@HD\tVN:1.4\n@SQ\tSN:chr1\tLN:2000\n'
    line unique 0 101 255 1
    line r1 0 101 3 2 && line r1 256 1101 3 2
    for read in r2 r3 r4; do line $read 0 1101 3 2 && line $read 256 101 3 2; done
} > reads.sam

count() { env/bin/htseq-count -s no "$@" reads.sam genes.gtf 2> /dev/null | grep -v '_no_\|_amb\|_not_al' | cut -f 2 | xargs; }
same() { # WHAT EXPECTED GOT
    echo "$1: $3"
    test "$2" = "$3"
}
same "none" "1 0 0 4" "$(count)"
same "all" "1 0 4 4" "$(count --nonunique all)"
same "fraction" "1.0 0 4 4" "$(count --nonunique fraction)"
same "all, -a 0" "2 3 0 4" "$(count --nonunique all -a 0)"
same "fraction, -a 0" "2.0 3.0 0 4" "$(count --nonunique fraction -a 0)"
debian/usr/bin/featureCounts -M --fraction -a genes.gtf -o fc.txt reads.sam 2> /dev/null
same "featureCounts -M --fraction" "3 2" "$(tail -n 2 fc.txt | cut -f 7 | xargs)"
