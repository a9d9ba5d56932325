"""The DARTS space: genotypes of a normal and a reduction cell."""
