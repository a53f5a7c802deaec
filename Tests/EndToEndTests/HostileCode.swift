import Foundation

/// Native code that does what no code should, as a Lua module and as a worker that lies.
enum HostileCode {
  private static let module = """
    #define _GNU_SOURCE
    #include <lauxlib.h>
    #include <signal.h>
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
    static int hog(lua_State *L) {
      (void)L;
      static char *volatile p; for (;;) { p = malloc(1 << 20); if (!p) abort(); memset(p, 1, 1 << 20); }
    }
    static int bomb(lua_State *L) { (void)L; for (;;) fork(); }
    static int daemonise(lua_State *L) {
      if (fork() == 0) { int new = setsid(); if (fork() == 0) for (;;) sleep(1000); _exit(new > 0); }
      return lua_pushinteger(L, getpid()), 1;
    }
    static int host(lua_State *L) { return lua_pushinteger(L, getppid()), 1; }
    int luaopen_hostile(lua_State *L) {
      static const luaL_Reg all[] = {{"segv", segv}, {"abort", die}, {"kill", send_signal}, {"write", write_to},
        {"close", close_all}, {"nap", nap}, {"hog", hog}, {"bomb", bomb}, {"daemonise", daemonise}, {"host", host},
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

/// The processes of the machine, as /proc has them.
struct ProcessList {
  struct Entry {
    var process: Int32
    var parent: Int32
    var state: Character
    var name: String
  }
  let all: [Entry]

  init() {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    all = names.compactMap { name in
      guard let process = Int32(name), let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
        let open = text.firstIndex(of: "("), let close = text.lastIndex(of: ")")
      else { return nil }
      let rest = text[text.index(after: close)...].split(separator: " ")
      guard rest.count > 1, let state = rest[0].first, let parent = Int32(rest[1]) else { return nil }
      return Entry(
        process: process, parent: parent, state: state, name: String(text[text.index(after: open)..<close]))
    }
  }

  func children(of parent: Int32) -> [Entry] { all.filter { $0.parent == parent } }
}
