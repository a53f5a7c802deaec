// Whether an interrupted thread may be torn out of what it does. The only file that depends on the processor.
//
// It may when it is inside liblua's code, or inside a leaf function that liblua called (memcmp and its kin hold no lock
// and keep nothing). The first is a look at the program counter. The second is a look at the return address: on x86-64
// a leaf function that has no frame has it on top of the stack, on arm64 it is in the link register. A function with a
// frame has something else in that place, so it does not pass the test.
//
// Liblua's code is the executable segment of the shared object that lua_newstate is in. When liblua is linked
// statically that segment is the whole program; then it is the range between the lowest and the highest of liblua's
// functions that can be named, which the linker lays out from one archive, provided that nothing of ours lies in
// between.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <string.h>
#include <ucontext.h>
#include "internal.h"

static struct {
  pthread_once_t once;
  uintptr_t low, high;
} text = {.once = PTHREAD_ONCE_INIT};

typedef struct {
  uintptr_t inside, low, high;
} segment;

static int find_segment(struct dl_phdr_info *info, size_t size, void *out) {
  (void)size;
  segment *found = out;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *h = &info->dlpi_phdr[i];
    if (h->p_type != PT_LOAD || !(h->p_flags & PF_X)) continue;
    uintptr_t low = info->dlpi_addr + h->p_vaddr, high = low + h->p_memsz;
    if (found->inside >= low && found->inside < high) {
      found->low = low;
      found->high = high;
      return 1;
    }
  }
  return 0;
}

static void find_text(void) {
  segment lua = {.inside = (uintptr_t)&lua_newstate}, ours = {.inside = (uintptr_t)&moon_leave};
  if (!dl_iterate_phdr(find_segment, &lua) || !dl_iterate_phdr(find_segment, &ours)) return;
  if (lua.low != ours.low) {
    text.low = lua.low;
    text.high = lua.high;
    return;
  }
  const uintptr_t theirs[] = {
    (uintptr_t)&lua_absindex, (uintptr_t)&lua_gettop, (uintptr_t)&lua_newstate, (uintptr_t)&lua_upvaluejoin,
    (uintptr_t)&lua_sethook, (uintptr_t)&lua_getinfo, (uintptr_t)&lua_resume, (uintptr_t)&lua_yieldk,
    (uintptr_t)&lua_close,
    (uintptr_t)&luaL_traceback, (uintptr_t)&luaL_tolstring, (uintptr_t)&luaL_newstate, (uintptr_t)&luaL_checkversion_,
    (uintptr_t)&luaopen_base, (uintptr_t)&luaopen_coroutine, (uintptr_t)&luaopen_table, (uintptr_t)&luaopen_string,
    (uintptr_t)&luaopen_math, (uintptr_t)&luaopen_utf8, (uintptr_t)&luaopen_os,
  };
  const uintptr_t own[] = {
    (uintptr_t)&moon_leave, (uintptr_t)&moon_allocate, (uintptr_t)&moon_step, (uintptr_t)&moon_protected,
    (uintptr_t)&moon_host_call, (uintptr_t)&moon_chunk_take,
  };
  uintptr_t low = UINTPTR_MAX, high = 0;
  for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++) {
    if (theirs[i] < low) low = theirs[i];
    if (theirs[i] > high) high = theirs[i];
  }
  // More than liblua could ever be, or something of ours inside: the linker did not keep it together.
  if (high - low > (size_t)1 << 20) return;
  for (size_t i = 0; i < sizeof own / sizeof *own; i++)
    if (own[i] >= low && own[i] < high) return;
  text.low = low;
  text.high = high;
}

static inline bool in_text(uintptr_t address) { return address >= text.low && address < text.high; }

bool moon_in_liblua(const void *context) {
  const ucontext_t *u = context;
#if defined(__x86_64__)
  uintptr_t pc = (uintptr_t)u->uc_mcontext.gregs[REG_RIP];
  if (in_text(pc)) return true;
  return in_text(*(const uintptr_t *)u->uc_mcontext.gregs[REG_RSP]);
#elif defined(__aarch64__)
  return in_text((uintptr_t)u->uc_mcontext.pc) || in_text((uintptr_t)u->uc_mcontext.regs[30]);
#else
  (void)u;
  return false;
#endif
}

bool moon_has_backstop(void) {
  pthread_once(&text.once, find_text);
#if defined(__x86_64__) || defined(__aarch64__)
  return text.high != 0;
#else
  return false;
#endif
}
