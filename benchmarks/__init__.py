"""Measurements that the README and docs/ quote; each prints what it measured."""
