"""The model: tables of log-odds, and predictions from them. No scikit-learn, and no training code."""
