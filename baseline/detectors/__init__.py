"""Fit and score. Pure: scikit-learn only inside fit; every score comes from a p-value, higher is more unusual."""
