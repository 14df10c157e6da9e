"""A synthetic trial with known truth: FCS files, study files, and what each event really is.

The simulator knows nothing of the gating strategies and they know nothing of it: agreement of the two is evidence.
The entry point is ``immunomon.assurance.simulate.trial.simulate_trial``.
"""
