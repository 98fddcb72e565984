"""Little-Big on labelled data: fit a cascade to stored logits or real networks, measure, report and plot it."""
