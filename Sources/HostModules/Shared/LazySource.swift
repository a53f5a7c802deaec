package import Lua

extension LuaModule {
  /// A module whose functions are Lua, compiled in a state when one of them is first called there: all states have one
  /// image of 64 KB, and few scripts use each module.
  ///
  /// - Parameters:
  ///   - functions: the names of those that `source` makes.
  ///   - natives: those of the host. Scripts see the ones whose names do not begin with `__`.
  ///   - source: is given the natives whose names begin with `__`, by name, and answers a table of its functions.
  package static func lazy(_ name: String, _ functions: [String], natives: [LuaFunction], source: String) -> LuaModule {
    let text = LuaFunction("__source") { call in
      call.push(source)
      return .results(1)
    }
    let prelude = """
      local m,h=... local l,n,d=load,{} for k,f in next,m do if k:find"^__" then n[k]=f end end for k in next,n do m[k]=nil end \
      for k in("\(functions.joined(separator: " "))"):gmatch"%S+" do \
      m[k]=function(...)d=d or l(n.__source(),"=[\(name)]")(n)return d[k](...)end end
      """
    return LuaModule(name, functions: natives + [text], prelude: prelude)
  }

  /// Lua for the beginning of a source: `fail(text)` is an error at the line of the script, whatever stands between;
  /// `guard(f)` is a function that keeps that promise. Other errors are as they were.
  package static let guarding = """
    local function finish(ok, ...)
      if ok then return ... end
      local problem = ...
      local said = type(problem) == "table" and rawget(problem, "__misuse")
      if said then error(said, 2) end
      error(problem, 0)
    end
    local function guard(body) return function(...) return finish(pcall(body, ...)) end end
    local function fail(text) error({ __misuse = text }, 0) end
    -- An error of the host that reads as its message.
    local problem = {
      __tostring = function(e) return e.message end,
      __concat = function(a, b) return tostring(a) .. tostring(b) end,
    }

    """
}
