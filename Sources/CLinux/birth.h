// What all children of ours have in common between the fork and the exec. Everything here is safe in the child of a
// vfork: nothing allocates, nothing locks.
#pragma once
#include "CLinux.h"

#include <sys/types.h>

/// Default handling of all signals, and none masked.
void linux_forget_signals(void);

/// Makes the descriptors 0, 1, … of those in the list, whose numbers may overlap, and closes all others.
int linux_place_descriptors(const int *list, int count);

/// The rest of a child's life here: it ends in an exec, or in _exit with `failure` set.
typedef void (*linux_become)(const void *child, pid_t parent, volatile linux_child_failure *failure);

/// Starts a child that becomes `child`. Its number, or -1 with `failure` set. Blocks until its program was loaded.
int linux_bear(linux_become become, const void *child, linux_child_failure *failure);
