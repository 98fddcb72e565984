"""What a person reads: the report of a run and the answer to a question as pages, with their pictures and charts."""
