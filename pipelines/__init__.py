"""Offline jobs over the product's services: backfill, retrain, evaluate, promote.

Run as ``python -m pipelines.NAME``; their command lines are stable, because cron jobs call them.
"""
