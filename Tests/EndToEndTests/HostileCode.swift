import Foundation

/// Native code that does what no code should, as a Lua module and as a worker that lies.
enum HostileCode {
  private static let module = """
    #define _GNU_SOURCE
    #include <errno.h>
    #include <fcntl.h>
    #include <lauxlib.h>
    #include <sched.h>
    #include <signal.h>
    #include <sys/prctl.h>
    #include <sys/resource.h>
    #include <sys/socket.h>
    #include <sys/syscall.h>
    #include <sys/timex.h>
    #include <sys/un.h>
    #include <sys/wait.h>
    #include <time.h>
    #include <stdlib.h>
    #include <string.h>
    #include <unistd.h>
    static int segv(lua_State *L) { (void)L; *(volatile int *)8 = 1; return 0; }
    static int die(lua_State *L) { (void)L; abort(); }
    static int send_signal(lua_State *L) {
      return lua_pushboolean(L, kill(luaL_checkinteger(L, 1), luaL_checkinteger(L, 2)) == 0), 1;
    }
    static int write_to(lua_State *L) {
      size_t size; const char *text = luaL_checklstring(L, 2, &size);
      return lua_pushinteger(L, write(luaL_checkinteger(L, 1), text, size)), 1;
    }
    static int close_all(lua_State *L) { (void)L; for (int i = 0; i < 100; i++) close(i); return 0; }
    static int nap(lua_State *L) { (void)L; for (;;) sleep(1000); }
    // As it is for whoever is told nothing, and does nothing.
    static int ignore(lua_State *L) {
      sigset_t all;
      sigfillset(&all);
      sigprocmask(SIG_SETMASK, &all, NULL);
      return nap(L);
    }
    static int read_whole(int from, unsigned char *bytes, size_t size) {
      for (size_t at = 0; at < size;) {
        ssize_t count = read(from, bytes + at, size - at);
        if (count <= 0) return 0;
        at += count;
      }
      return 1;
    }
    // From here on a child stands between the process and its host, and gives the host the end of the run twice.
    static int twice(lua_State *L) {
      static unsigned char frame[1 << 20];
      int ends[2];
      if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return luaL_error(L, "no sockets");
      pid_t child = fork();
      if (child < 0) return luaL_error(L, "no child");
      if (child == 0) {
        close(ends[1]);
        for (int is_end = 0; !is_end && read_whole(ends[0], frame, 4);) {
          size_t size = frame[0] | frame[1] << 8 | frame[2] << 16;
          if (!read_whole(ends[0], frame + 4, size)) break;
          is_end = frame[4] == 4;
          for (int i = 0; i <= is_end; i++) if (write(3, frame, 4 + size) < 0) break;
        }
        _exit(0);
      }
      dup2(ends[1], 3);
      close(ends[0]);
      close(ends[1]);
      return 0;
    }
    static int hog(lua_State *L) {
      (void)L;
      static char *volatile p; for (;;) { p = malloc(1 << 20); if (!p) abort(); memset(p, 1, 1 << 20); }
    }
    static int bomb(lua_State *L) { (void)L; for (;;) fork(); }
    static int daemonise(lua_State *L) {
      pid_t child = fork();
      if (child == 0) { int new = setsid(); if (fork() == 0) for (;;) sleep(1000); _exit(new > 0); }
      waitpid(child, NULL, 0);
      return lua_pushinteger(L, getpid()), 1;
    }
    static int host(lua_State *L) { return lua_pushinteger(L, getppid()), 1; }
    static int bare_clone(unsigned long flags) {
      long child = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
      if (child == 0) _exit(0);
      return child < 0 ? -1 : 0;
    }
    // The names of those calls that are not refused, each with what was said instead.
    static int gaps(lua_State *L) {
      pid_t host = getppid();
      struct rlimit limit;
      struct sched_param param = {0};
      struct timex times = {0};
      cpu_set_t cpus;
      CPU_ZERO(&cpus);
      CPU_SET(0, &cpus);
      luaL_Buffer text;
      luaL_buffinit(L, &text);
      #define TRY(name, call) do { errno = 0; long result = (call); \
        if (result != -1 || (errno != EPERM && errno != ENOSYS)) { \
          lua_pushfstring(L, "%s(%d, %s) ", name, (int)result, strerror(errno)); luaL_addvalue(&text); } } while (0)
      TRY("prlimit64", syscall(SYS_prlimit64, host, RLIMIT_NOFILE, NULL, &limit));
      TRY("sched_setaffinity", sched_setaffinity(host, sizeof cpus, &cpus));
      TRY("sched_setscheduler", sched_setscheduler(host, SCHED_BATCH, &param));
      TRY("sched_setparam", sched_setparam(host, &param));
      TRY("setpriority", setpriority(PRIO_PROCESS, host, 19));
      TRY("setpriority user", setpriority(PRIO_USER, 0, getpriority(PRIO_PROCESS, 0)));
      TRY("ioprio_set", syscall(SYS_ioprio_set, 1, host, 0));
      TRY("ioprio_set user", syscall(SYS_ioprio_set, 3, 0, 0));
      TRY("pidfd_getfd", syscall(438, syscall(SYS_pidfd_open, host, 0), 0, 0));
      TRY("process_madvise", syscall(440, syscall(SYS_pidfd_open, host, 0), NULL, 0, 21, 0));
      TRY("kcmp", syscall(SYS_kcmp, host, getpid(), 0, 0, 0));
      TRY("move_pages", syscall(SYS_move_pages, host, 0, NULL, NULL, NULL, 0));
      TRY("migrate_pages", syscall(SYS_migrate_pages, host, 0, NULL, NULL));
      TRY("clone user", bare_clone(CLONE_NEWUSER));
      TRY("clone parent", bare_clone(CLONE_PARENT));
      TRY("clone3", syscall(435, NULL, 0));
      TRY("unshare", unshare(CLONE_NEWUSER));
      TRY("fsopen", syscall(430, "tmpfs", 0));
      TRY("fsmount", syscall(432, -1, 0, 0));
      TRY("open_tree", syscall(428, AT_FDCWD, "/", 1));
      TRY("mount_setattr", syscall(442, AT_FDCWD, "/", 0, NULL, 0));
      TRY("clock_adjtime", syscall(SYS_clock_adjtime, CLOCK_REALTIME, &times));
      TRY("adjtimex", adjtimex(&times));
      TRY("memfd_create", syscall(SYS_memfd_create, "m", 0));
      TRY("memfd_secret", syscall(447, 0));
      TRY("shmget", syscall(SYS_shmget, 0, 4096, 01600));
      TRY("semget", syscall(SYS_semget, 0, 1, 01600));
      TRY("msgget", syscall(SYS_msgget, 0, 01600));
      TRY("io_uring_setup", syscall(425, 1, NULL));
      TRY("fanotify_init", syscall(SYS_fanotify_init, 0, 0));
      TRY("pdeathsig", prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0));
      luaL_pushresult(&text);
      // What a program may do with itself goes on.
      if (syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) != 0 || setpriority(PRIO_PROCESS, 0, 19) != 0
          || sched_setaffinity(0, sizeof cpus, &cpus) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        lua_pushstring(L, "its own are refused"), lua_concat(L, 2);
      return 1;
    }
    // Whether a socket of the machine answers to a line of HTTP.
    static int ask_socket(lua_State *L) {
      struct sockaddr_un address = {.sun_family = AF_UNIX};
      strncpy(address.sun_path, luaL_checkstring(L, 1), sizeof address.sun_path - 1);
      int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      char answer[256] = "";
      const char *question = "GET /api/v1/jobs HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n";
      if (connect(descriptor, (struct sockaddr *)&address, sizeof address) != 0)
        return lua_pushstring(L, strerror(errno)), 1;
      if (send(descriptor, question, strlen(question), MSG_NOSIGNAL) > 0) {
        ssize_t count = read(descriptor, answer, sizeof answer - 1);
        answer[count < 0 ? 0 : count] = 0;
        answer[strcspn(answer, "\\r\\n")] = 0;
      }
      close(descriptor);
      return lua_pushstring(L, answer), 1;
    }
    int luaopen_hostile(lua_State *L) {
      static const luaL_Reg all[] = {{"segv", segv}, {"abort", die}, {"kill", send_signal}, {"write", write_to},
        {"close", close_all}, {"nap", nap}, {"hog", hog}, {"bomb", bomb}, {"daemonise", daemonise}, {"host", host},
        {"gaps", gaps}, {"ask", ask_socket}, {"ignore", ignore}, {"twice", twice},
        {NULL, NULL}};
      luaL_newlib(L, all);
      return 1;
    }
    """

  /// Builds the module into `place`; scripts load it with ``loading(_:)``.
  static func build(in place: Place) throws {
    try module.write(toFile: place.path + "/hostile.c", atomically: false, encoding: .utf8)
    let compiler = try HostProcess(
      program: ["/usr/bin/env"],
      ["clang", "-shared", "-fPIC", "-O1", "-I/usr/include/lua5.4", "-o", "hostile.so", "hostile.c"], in: place.path)
    guard try compiler.awaitExit() == 0 else { throw HostProcess.Failure(description: compiler.text) }
  }

  /// Lua that has the module in `h`.
  static func loading(_ place: Place) -> String {
    "local h = assert(package.loadlib('\(place.path)/hostile.so', 'luaopen_hostile'))() "
  }
}
