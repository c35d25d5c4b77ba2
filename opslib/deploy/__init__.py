"""Deploying: releases, their files and images, going back to one, and what runs."""
