"""Debian's Linux as Keel's guest: to the shell and off again, by every road, and its log beside the native one."""
