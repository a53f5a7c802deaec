/* What the thread sanitizer has to be told of Swift's `Mutex`. Nothing in other builds.

   Taking and giving back a free mutex is inlined, so that the sanitizer sees the atomic operations. A contended one
   goes through two functions of the library libswiftSynchronization, which it does not see: whatever a mutex hands
   over then would look like a race. These stand in for the two (of the same names, so that the linker finds them
   first), and say what they do. */

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>

void __tsan_acquire(void *address);
void __tsan_release(void *address);

/* Swift's calling convention: the mutex comes as the context. */
typedef __attribute__((swiftcall)) void lock_function(
    uint32_t state, __attribute__((swift_context)) void *handle);
typedef __attribute__((swiftcall)) void unlock_function(
    __attribute__((swift_context)) void *handle);

#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

lock_function told_lock __asm__(LOCK);
unlock_function told_unlock __asm__(UNLOCK);

__attribute__((swiftcall)) void told_lock(uint32_t state, __attribute__((swift_context)) void *handle) {
  ((lock_function *)dlsym(RTLD_NEXT, LOCK))(state, handle);
  __tsan_acquire(handle);
}

__attribute__((swiftcall)) void told_unlock(__attribute__((swift_context)) void *handle) {
  __tsan_release(handle);
  ((unlock_function *)dlsym(RTLD_NEXT, UNLOCK))(handle);
}

#endif
#endif

/* An empty translation unit is not allowed in ISO C. */
typedef int moondial_sanitizer_is_compiled;
