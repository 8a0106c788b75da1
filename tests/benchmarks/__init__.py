"""`./run bench [name …]`: each path beside its bare-SQL limit and the usual ways, interleaved, medians of one run."""
