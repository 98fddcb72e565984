"""HTML pages for people: the report of a run and the answer to a question, with their pictures and charts."""
