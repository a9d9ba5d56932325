"""Label generation: networks are trained from scratch and attacked, to measure their accuracies."""
