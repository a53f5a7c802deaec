import Testing

/// Scripts that try to hold their thread, eat the memory, break out or bring the process down, by the way they do it.
/// Each is a chunk; the suite runs it as a top level and as the body of a job.
struct HostileScript: Sendable, CustomTestStringConvertible {
  /// How a script may end. Several: whichever limit is met first.
  struct End: OptionSet, Sendable, CustomStringConvertible {
    let rawValue: Int
    static let deadline = End(rawValue: 1)
    static let memory = End(rawValue: 2)
    static let error = End(rawValue: 4)
    static let fine = End(rawValue: 8)

    var description: String {
      [(End.deadline, "deadline"), (.memory, "memory"), (.error, "error"), (.fine, "fine")]
        .filter { contains($0.0) }.map(\.1).joined(separator: " or ")
    }
  }

  let name: String
  let ends: End
  let source: String

  init(_ name: String, _ ends: End, _ source: String) {
    self.name = name
    self.ends = ends
    self.source = source
  }

  var testDescription: String { name }

  // A comparison that never ends, for the places where only C code calls it.
  private static let spin = "local function spin() while true do end end\n"

  static let all: [HostileScript] = loops + coroutines + handlers + patterns + libraries + compiler + memory + escapes

  static let loops: [HostileScript] = [
    .init("empty loop", .deadline, "while true do end"),
    .init("goto loop", .deadline, "::a:: goto a"),
    .init("numeric for", .deadline, "for i = 1, math.huge do end"),
    .init("repeat loop", .deadline, "repeat until false"),
    .init("tail calls", .deadline, "local function f() return f() end f()"),
    .init("recursion without end", .error + .memory, "local function f() return 1 + f() end f()"),
    .init("mutual recursion", .error + .memory, "local f, g function f() g() g() end function g() f() f() end f()"),
    .init(
      "fibonacci", .deadline, "local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end return fib(60)"),
    .init("endless iterator", .deadline, "for _ in function() return 1 end do end"),
    .init("calls of C functions", .deadline, "while true do math.abs(-1) end"),
    .init(
      "__index chain", .deadline + .error,
      "local t = setmetatable({}, { __index = function(t, k) return t[k + 1] end }) while true do pcall(function() return t[1] end) end"
    ),
    .init(
      "__call loop", .deadline + .error, "local t t = setmetatable({}, { __call = function() return t() end }) t()"),
    .init("__concat loop", .deadline, spin + "local t = setmetatable({}, { __concat = spin }) return t .. t"),
    .init("__eq loop", .deadline, spin + "local m = { __eq = spin } return setmetatable({}, m) == setmetatable({}, m)"),
    .init("__close loop", .deadline, spin + "local x <close> = setmetatable({}, { __close = spin })"),
    .init(
      "__close loop after an error", .deadline,
      spin + "pcall(function() local x <close> = setmetatable({}, { __close = spin }) error('x') end)"),
  ]

  static let handlers: [HostileScript] = [
    .init("pcall around a loop", .deadline, "while true do pcall(function() while true do end end) end"),
    .init("nested pcalls", .deadline, "local function f() while true do pcall(f) end end f()"),
    .init("pcall of error", .deadline, "while true do pcall(error, 'x') end"),
    .init("xpcall with a looping handler", .deadline, spin + "xpcall(spin, spin)"),
    .init("xpcall handler that loops on an error", .deadline, spin + "xpcall(error, spin)"),
    .init("xpcall handler that errs", .fine, "local ok = xpcall(error, error) assert(ok == false)"),
    .init(
      "error in __tostring of an error", .error,
      "error(setmetatable({}, { __tostring = function() error('again') end }))"),
    .init("loop in __tostring of an error", .deadline, spin + "error(setmetatable({}, { __tostring = spin }))"),
    .init("huge error message", .error + .memory, "error(('x'):rep(20 << 20))"),
    .init("nil error", .error, "error(nil)"),
    .init("error with __name", .error, "error(setmetatable({}, { __name = ('n'):rep(100000) }))"),
    .init("coroutine as error", .error, "error(coroutine.create(function() end))"),
    .init("error of invalid UTF-8", .error, "error('\\xff\\xfe\\x00' .. ('\\x80'):rep(5000))"),
    .init(
      "error in error in error", .fine, "local function h(e) error(e) end for i = 1, 100 do xpcall(error, h, 'x') end"),
    .init("stack overflow in a handler", .fine + .memory, "local function r() return 1 + r() end xpcall(r, r)"),
  ]

  static let coroutines: [HostileScript] = [
    .init("loop in a coroutine", .deadline, "coroutine.wrap(function() while true do end end)()"),
    .init(
      "loop in nested coroutines", .deadline,
      "local function f(n) if n == 0 then while true do end end coroutine.wrap(f)(n - 1) end f(50)"),
    .init(
      "coroutines without end", .deadline + .error,
      "local function f() coroutine.wrap(f)() end while true do pcall(f) end"),
    .init(
      "yield loop", .deadline,
      "local co = coroutine.wrap(function() while true do coroutine.yield() end end) while true do co() end"),
    .init(
      "a flood of coroutines", .deadline + .memory,
      "local t = {} while true do t[#t + 1] = coroutine.create(function() end) end"),
    .init(
      "coroutine.close chain", .error + .fine,
      """
      local prev
      for i = 1, 6000 do
        local inner = prev
        local co = coroutine.create(function()
          local x <close> = setmetatable({}, { __close = function() if inner then coroutine.close(inner) end end })
          coroutine.yield()
        end)
        coroutine.resume(co)
        prev = co
      end
      coroutine.close(prev)
      """),
    .init(
      "loop in __close of coroutine.close", .deadline,
      spin + """
        local co = coroutine.create(function() local x <close> = setmetatable({}, { __close = spin }) coroutine.yield() end)
        coroutine.resume(co) coroutine.close(co)
        """),
    .init(
      "resume of itself", .fine,
      "local co co = coroutine.create(function() return coroutine.resume(co) end) coroutine.resume(co)"),
    .init("yield at the top", .error, "coroutine.yield()"),
    .init("wrap of wrap", .error + .fine, "local f = function() end for i = 1, 300 do f = coroutine.wrap(f) end f()"),
    .init(
      "deep wrap", .error,
      "local f = function() error('x') end for i = 1, 300 do local g = f f = coroutine.wrap(function() g() end) end f()"
    ),
    .init("yield in a comparator", .error, "coroutine.wrap(function() table.sort({ 3, 2, 1 }, coroutine.yield) end)()"),
  ]

  static let patterns: [HostileScript] = [
    .init("backtracking find", .deadline, "return (('a'):rep(100000)):find(('a*'):rep(20) .. 'b')"),
    .init("backtracking match", .deadline, "return (('a'):rep(30000)):match('.-.-.-.-b')"),
    .init("backtracking gsub", .deadline, "return (('a'):rep(30000)):gsub(('a*'):rep(20) .. 'b', '')"),
    .init("gmatch loop", .deadline, "for _ in (('a'):rep(200000)):gmatch('.-b') do end"),
    .init(
      "balanced match", .deadline,
      "local s = ('('):rep(300000) return s:find(('%b()'):rep(1)), s:gsub('%b()', ''), s:gsub('%b()', '')"),
    .init("frontier", .deadline, "local s = (' a'):rep(200000) while true do s:find('%f[%z]x') end"),
    .init("plain find", .deadline, "local s = ('a'):rep(4 << 20) return s:find(('a'):rep(2 << 20) .. 'b', 1, true)"),
    .init("gsub callback that loops", .deadline, spin + "return ('a'):gsub('a', spin)"),
    .init("gsub callback that errs and is caught", .deadline, "while true do pcall(string.gsub, 'a', 'a', error) end"),
    .init("pattern too complex", .error, "return ('x'):rep(40):find(('(.)'):rep(33))"),
    .init("deep pattern", .error + .deadline, "return (('a'):rep(300000)):find(('a?'):rep(300000))"),
  ]

  static let libraries: [HostileScript] = [
    .init("sort with a spinning comparator", .deadline, spin + "table.sort({ 3, 2, 1 }, spin)"),
    .init(
      "sort with an inconsistent comparator", .deadline + .error + .fine,
      "local t = {} for i = 1, 20000 do t[i] = i end while true do pcall(table.sort, t, function() return true end) end"
    ),
    .init(
      "sort of a huge pretended table", .deadline + .error,
      "table.sort(setmetatable({}, { __len = function() return (1 << 30) end, __index = function() return 1 end }))"),
    .init(
      "concat of a pretended table", .deadline + .memory,
      "return table.concat(setmetatable({}, { __len = function() return 1 << 40 end, __index = function() return '' end }))"
    ),
    .init(
      "concat by C metamethods", .deadline + .error,
      "return table.concat(setmetatable({}, { __len = function() return 1 << 40 end, __index = string.rep }))"),
    .init("move over nothing", .deadline, "table.move({}, 1, math.maxinteger - 1, 2)"),
    .init(
      "insert into a pretended table", .deadline,
      "table.insert(setmetatable({}, { __len = function() return math.maxinteger - 5 end }), 1, 1)"),
    .init(
      "remove from a pretended table", .deadline,
      "table.remove(setmetatable({}, { __len = function() return math.maxinteger - 5 end }), 1)"),
    .init("unpack", .error + .memory, "return table.unpack({}, 1, 1e7)"),
    .init("rep of nothing", .deadline, "return (''):rep(1 << 62)"),
    .init("rep of much", .memory, "return ('x'):rep(1 << 30)"),
    .init("rep too large", .error, "return ('x'):rep(-1 >> 1)"),
    .init("utf8.len", .deadline, "local s = ('\\u{10FFFF}'):rep(1 << 20) while true do utf8.len(s) end"),
    .init("tonumber", .deadline, "local s = ('1'):rep(1 << 20) while true do tonumber(s, 10) end"),
    .init(
      "string comparison", .deadline,
      "local s = ('a'):rep(4 << 20) local a, b = s .. 'a', s .. 'b' while true do local _ = a < b end"),
    .init(
      "upper and reverse", .deadline + .memory, "local s = ('a'):rep(4 << 20) while true do s:upper() s:reverse() end"),
    .init("format with a wide field", .error, "return string.format('%999d', 1)"),
    .init(
      "select", .deadline + .error,
      "local function f(...) return select('#', ...) end while true do f(table.unpack({}, 1, 200000)) end"),
    .init(
      "next over an emptied table", .deadline,
      "local t = {} for i = 1, 200000 do t[i] = 1 end for k in pairs(t) do t[k] = nil end while true do next(t) end"),
    .init("string.pack", .deadline, "local f = ('b'):rep(10000) while true do pcall(string.pack, f) end"),
    .init("os.date in a loop", .deadline, "while true do os.date('%c', 0) end"),
    .init("modify while traversing", .error + .fine, "local t = { 1, 2, 3 } for k in pairs(t) do t[k .. 'x'] = 1 end"),
  ]

  static let compiler: [HostileScript] = [
    // Quadratic, and on an idle machine still within the deadline.
    .init(
      "many labels", .fine + .deadline + .error,
      "local t = {} for i = 1, 60000 do t[i] = '::a' .. i .. '::' end load('do ' .. table.concat(t) .. ' end')"),
    .init(
      "many gotos", .fine + .deadline + .error,
      "local t = {} for i = 1, 30000 do t[i] = 'goto a' .. i .. ' ' end load('do ' .. table.concat(t) .. ' end')"),
    .init("deep parentheses", .fine, "assert(not load('return ' .. ('('):rep(100000) .. '1'))"),
    .init("deep tables", .fine, "assert(not load('return ' .. ('{'):rep(100000)))"),
    .init("a huge source", .fine, "assert(not load(('x = 1 '):rep(1 << 20)))"),
    .init("a reader without end", .deadline + .memory, "load(function() return 'x = 1 ' end)"),
    .init("a reader that loops", .deadline, spin + "load(spin)"),
    .init("compile in a loop", .deadline, "while true do load('local a = 1 return function() return a end') end"),
    .init("bytecode in load", .fine, "assert(load('\\27Lua', 'x', 'b') == nil) assert(load('\\27Lua', 'x') == nil)"),
  ]

  static let memory: [HostileScript] = [
    .init("table growth", .memory + .deadline, "local t = {} for i = 1, math.huge do t[i] = i end"),
    .init("string growth", .memory, "local s = 'x' while true do s = s .. s end"),
    .init("many strings", .memory + .deadline, "local t = {} for i = 1, math.huge do t[i] = ('x'):rep(500) .. i end"),
    .init(
      "pcall around memory", .memory,
      "while true do pcall(function() local s = 'x' while true do s = s .. s end end) end"),
    .init(
      "closures", .memory + .deadline, "local f for i = 1, math.huge do local g = f f = function() return g end end"),
    .init(
      "one size after the other", .memory + .deadline + .fine,
      """
      for size = 1, 60 do
        local keep, t = {}, {}
        for i = 1, 20000 do t[i] = ('x'):rep(size * 16) .. i end
        for i = 1, 20000, 200 do keep[#keep + 1] = t[i] end
      end
      """),
    .init(
      "emergency collection in a weak table", .memory + .fine + .deadline,
      """
      for r = 1, 300 do
        local mt = setmetatable({ __newindex = {} }, { __mode = 'v' })
        local t = setmetatable({}, mt)
        for i = 1, 64 do t[i] = i end
      end
      """),
    .init(
      "weak tables under pressure", .memory + .deadline,
      """
      local live = {}
      while true do
        local t = setmetatable({}, { __mode = 'k' })
        for i = 1, 500 do t[{}] = ('x'):rep(100) end
        live[#live + 1] = t
        live[#live + 1] = ('y'):rep(5000)
      end
      """),
    .init(
      "deep stack", .error + .memory,
      "local function f(n) local a, b, c, d = n, n, n, n return a + f(n + 1) + b end f(1)"),
    .init("buffer of a gsub", .memory, "return (('x'):rep(1 << 20)):gsub('x', ('y'):rep(1000))"),
    .init(
      "table.concat of much", .memory,
      "local t = {} for i = 1, 1000 do t[i] = ('x'):rep(100000) end return table.concat(t)"),
    .init(
      "varargs", .error + .memory + .deadline, "local function f(...) return f(1, 2, 3, 4, 5, 6, 7, 8, ...) end f()"),
    .init(
      "string to table and back", .memory + .deadline,
      "local s = ('x'):rep(1 << 20) while true do local t = { s:byte(1, 100000) } s = s .. string.char(table.unpack(t, 1, 200)) end"
    ),
  ]

  static let escapes: [HostileScript] = [
    .init("string.dump", .fine, "assert(string.dump == nil)"),
    .init(
      "debug, io, package", .fine,
      "assert(not rawget(_G, 'debug') and not rawget(_G, 'io') and not rawget(_G, 'package'))"),
    .init(
      "os is a clock", .fine,
      "for k in pairs(os) do assert(k == 'time' or k == 'date' or k == 'clock' or k == 'difftime', k) end"),
    .init("the strings' metatable", .fine, "assert(getmetatable('') == false) assert(not pcall(setmetatable, '', {}))"),
    .init("the globals' metatable", .fine, "assert(getmetatable(_G) == false) assert(not pcall(setmetatable, _G, {}))"),
    .init("__gc", .error, "setmetatable({}, { __gc = function() while true do end end })"),
    .init("__gc as false", .error, "setmetatable({}, { __gc = false })"),
    .init(
      "__gc added later", .fine,
      "local m = {} local t = setmetatable({}, m) m.__gc = function() while true do end end t = nil local s = {} for i = 1, 100000 do s[i % 10 + 1] = {} end"
    ),
    .init("collectgarbage", .error, "collectgarbage('stop')"),
    .init(
      "addresses", .fine,
      """
      -- A number for each object in the order in which they are named, and nothing else.
      assert(tostring({}) == 'table: 0x000000000001') assert(tostring(load) == 'function: 0x000000000002')
      assert(string.format('%s', {}) == 'table: 0x000000000003') assert(not pcall(string.format, '%p', {}))
      assert(tostring(coroutine.create(function() end)) == 'thread: 0x000000000004')
      assert(select('#', math.randomseed(1)) == 0)
      """),
    .init("require of a path", .error, "require('../../etc/passwd')"),
    .init("loadfile and dofile", .fine, "assert(not rawget(_G, 'loadfile') and not rawget(_G, 'dofile'))"),
    .init(
      "load in an environment", .fine,
      "assert(load('return x', 'c', 't', { x = 5 })() == 5) assert(not pcall(load('return x', 'c', 'bt', {}) or error, 1) == false)"
    ),
    .init(
      "a hook by another name", .fine,
      "for _, l in ipairs({ string, table, math, utf8, coroutine, os }) do for k, v in pairs(l) do assert(type(v) ~= 'userdata', k) end end"
    ),
  ]
}

extension HostileScript.End {
  static func + (a: Self, b: Self) -> Self { a.union(b) }
}
