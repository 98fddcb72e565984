"""Little-Big on labelled data: stored logits or real networks in, the fitted cascade, its report and plot out."""
