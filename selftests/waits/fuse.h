/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A file whose pages are asked for, and never come.
 */
#ifndef SELFTESTS_WAITS_FUSE_H
#define SELFTESTS_WAITS_FUSE_H

/*
 * As root: makes the file. Return: what its server reads and writes. Skips the row where
 * the host has no FUSE.
 */
int fuse_mount(const char *path);
/* The server: calls @asked when somebody wants a page, and goes on. Does not return. */
void fuse_serve(int fd, void (*asked)(void)) __attribute__((noreturn));
/* As root: ends what the server was asked for, as an error. */
void fuse_abort(const char *path);
void fuse_umount(const char *path);

#endif
