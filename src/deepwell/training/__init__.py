"""The engine: plan, budget, order, optimisers, averaging, checks and the loop. It knows no task.

    plan = plan.choose(network, hints, wishes, examples)      how this machine runs it
    trained = loop.fit(Job(...))                              weights, chosen on the select part

A run is a pure function of its job and of its decisions; only the clock of an open budget decides anything else, and each
such decision goes through `Job.decide` before it takes effect.
"""
