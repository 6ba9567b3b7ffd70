# Tables and Matrix Market files as R writes them: Rscript --vanilla with_r.R, in this folder.
# Written with R 4.2.2, Matrix 1.5-3 and data.table 1.14.8. The numbers are those of small.py's counts(2), read from pandas/counts.csv.

suppressPackageStartupMessages(library(Matrix))
m <- as.matrix(read.csv("pandas/counts.csv", row.names = 1, check.names = FALSE))
m["ACTB", 1] <- 1e5 # R writes 1e+05
unlink("r", recursive = TRUE)
dir.create("r")
setwd("r")

write.table(m, "write_table.txt")
write.table(m, "write_table_tabs.txt", sep = "\t", quote = FALSE)
write.table(m, "write_table_corner.tsv", sep = "\t", quote = FALSE, col.names = NA)
write.csv(m, "write_csv.csv")
write.csv(t(m), "write_csv_cells_in_rows.csv", quote = FALSE)
normalised <- t(t(m) / colSums(m)) * 1e4
write.csv2(normalised, "write_csv2.csv")
write.csv(normalised, "write_csv_normalised.csv")
missing <- m
missing["LYZ", 3] <- NA
write.csv(missing, "write_csv_na.csv")
checked <- as.data.frame(m) # data.frame() makes names of R: . for -
names(checked) <- make.names(names(checked))
write.csv(checked, "write_csv_make_names.csv")
data.table::fwrite(data.frame(gene = rownames(m), m, check.names = FALSE), "fwrite.csv")
con <- gzfile("write_table.txt.gz", "w")
write.table(m, con)
close(con)

writeLines(colnames(m), "barcodes.tsv")
write.table(data.frame(rownames(m)), "genes.tsv", sep = "\t", quote = FALSE, row.names = FALSE, col.names = FALSE)
invisible(writeMM(as(m, "dgCMatrix"), "write_mm.mtx"))
invisible(writeMM(as(as(m, "dgCMatrix"), "TsparseMatrix"), "write_mm_triplets.mtx"))
invisible(writeMM(as(normalised, "dgCMatrix"), "write_mm_normalised.mtx"))
invisible(writeMM(as(as(m, "dgCMatrix"), "nMatrix"), "write_mm_pattern.mtx"))
