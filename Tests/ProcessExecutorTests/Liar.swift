import Chronology
import Foundation
import JobModel
import Lua
import ProcessExecutor
import ScriptFixtures
import TestSupport
import Testing

/// A program that speaks like a worker, and says what none says: which lie is the name of its executor.
enum Liar {
  /// `replay:FILE` says what is in the file about its first run, which is number 1.
  private static let program = """
    #define _GNU_SOURCE
    #include <fcntl.h>
    #include <stdint.h>
    #include <stdio.h>
    #include <string.h>
    #include <sys/socket.h>
    #include <unistd.h>
    static void put(const void *p, size_t n) {
      for (size_t done = 0; done < n;) {
        ssize_t k = write(3, (const char *)p + done, n - done);
        if (k <= 0) _exit(0);
        done += k;
      }
    }
    static void get(void *p, size_t n) {
      for (size_t got = 0; got < n;) { ssize_t k = read(3, (char *)p + got, n - got); if (k <= 0) _exit(0); got += k; }
    }
    static unsigned char frame[1 << 20];
    static uint32_t size;
    static void byte(unsigned char b) { frame[size++] = b; }
    static void number(uint64_t n, int bytes) { for (int i = 0; i < bytes; i++) byte(n >> (8 * i)); }
    static void text(const char *t) { number(strlen(t), 4); while (*t) byte(*t++); }
    static void send_frame(void) { put(&size, 4); put(frame, size); size = 0; }
    static void began(uint64_t run) { byte(3); number(run, 8); send_frame(); }
    static void looks(uint64_t run) { byte(9); number(run, 8); send_frame(); }
    static void end_as(uint64_t run, const char *outcome) {
      byte(4); number(run, 8); text(outcome); number(5, 8); number(6, 8); byte(0); byte(1); byte(0); send_frame();
    }
    static void ended(uint64_t run) { end_as(run, "succeeded"); }
    static void call(uint64_t number_of_call, uint64_t run, int kind) {
      byte(7); number(number_of_call, 8); number(run, 8); byte(kind);
    }
    static void subscribe(uint64_t number_of_call, uint64_t run) {
      call(number_of_call, run, 10); text("e"); byte(0); send_frame();
    }
    static unsigned char body[1 << 24];
    static uint32_t next(void) {
      uint32_t length;
      get(&length, 4);
      if (length > sizeof body) _exit(9);
      get(body, length);
      return length;
    }
    static void replay(const char *path) {
      int file = open(path, O_RDONLY);
      static char bytes[1 << 16];
      for (ssize_t k; (k = read(file, bytes, sizeof bytes)) > 0;) put(bytes, k);
      close(file);
    }
    int main(int count, char **words) {
      const char *mode = count > 2 ? words[2] : "";
      #define IS(word) (strcmp(mode, word) == 0)
      if (IS("chatty")) {
        for (int i = 0; i < 100; i++) printf("the password is hunter22\\n");
        fflush(stdout);
      }
      if (IS("bound")) { byte(1); number(1, 4); text("the password is hunter22"); send_frame(); }
      byte(0); number(1, 4); text(LUA); send_frame();
      for (;;) {
        next();
        if (IS("notes") && body[0] == 0) { byte(1); number(1, 4); text("the password is hunter22"); send_frame(); }
        uint64_t run;
        if (body[0] != 3) continue;
        memcpy(&run, body + 1, 8);
        if (IS("unbegun")) { ended(run); continue; }
        if (IS("patient") || IS("dies")) { puts("here"); fflush(stdout); do next(); while (body[0] != 4); }
        if (IS("dies")) _exit(0);
        began(IS("other") ? run + 7 : run);
        if (IS("honest") || IS("chatty") || IS("notes") || IS("bound")) ended(run);
        if (IS("twice")) { ended(run); ended(run); }
        if (IS("huge")) put("\\377\\377\\377\\377", 4);
        if (IS("half")) { put("\\20\\0\\0\\0half", 8); _exit(0); }
        if (IS("again")) began(run);
        if (IS("json")) { call(1, run, 9); text("e"); byte(1); text("{"); send_frame(); }
        if (IS("parks")) {
          byte(4); number(run, 8); text("cancelled"); number(5, 8); number(6, 8);
          byte(1); byte(0); byte(0); byte(0); byte(0);
          byte(1); number(1, 4); text("wait"); text("e"); number(1, 4); number(0, 8); byte(0); byte(0); byte(0);
          byte(1); byte(0); send_frame();
        }
        if (IS("steps")) {
          call(1, run, 16); number(1, 4); text("step"); text("a"); number(1, 4); number(0, 8);
          byte(1); number(0, 8); byte(0); byte(0); send_frame();
        }
        if (IS("repeats")) { subscribe(1, run); subscribe(1, run); }
        if (IS("subscribes")) for (int i = 1; i < 100; i++) subscribe(i, run);
        if (IS("lists")) for (int i = 1; i < 100; i++) { call(i, run, 3); send_frame(); }
        if (IS("deaf")) {
          shutdown(3, SHUT_RD);
          call(1, run, 12); text("PATH"); byte(0); send_frame();
          pause();
        }
        if (IS("mute")) { shutdown(3, SHUT_WR); pause(); }
        if (IS("stuck")) end_as(run, "stuck");
        if (IS("talks")) { for (int i = 0; i < 100000; i++) looks(run); ended(run); }
        if (IS("stray")) { ended(run); for (;;) looks(run); }
        if (strncmp(mode, "replay:", 7) == 0) { replay(mode + 7); ended(run); }
      }
    }
    """

  private static let built: Result<(TemporaryDirectory, String), any Error> = Result {
    let place = try TemporaryDirectory()
    try place.write("liar.c", program.replacingOccurrences(of: "\\\\", with: "\\"))
    let compiler = Process()
    compiler.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    compiler.arguments = [
      "clang", "-O1", "-DLUA=\"\(LuaRuntime.luaVersion)\"", "-o", place.path + "/liar", place.path + "/liar.c",
    ]
    try compiler.run()
    compiler.waitUntilExit()
    return (place, place.path + "/liar")
  }

  /// An executor with one worker, which is a liar.
  static func executor(
    _ mode: String, _ fixture: PoolFixture, onEvent: @escaping @Sendable (ProcessExecutorEvent) -> Void = { _ in }
  ) throws -> ProcessExecutor {
    var configuration = ProcessConfiguration()
    configuration.name = mode
    configuration.workers = 1
    configuration.program = try built.get().1
    return ProcessExecutor(configuration, luaHost: fixture.host, onEvent: onEvent)
  }

  static func order(_ number: Int, _ job: JobEntry) -> RunOrder {
    RunOrder(
      token: RunToken(slot: number, use: 1), id: RunID(Int64(number)), job: job, attempt: 1, scheduledAt: .epoch)
  }
}
