"""Systems with one wrong decision each, to measure the judge."""
