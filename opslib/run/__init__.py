"""Steps carried out under the lock with a recovery log, on one host or many."""
