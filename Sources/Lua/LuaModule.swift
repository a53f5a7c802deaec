package import CLuaShim

/// A host function: what it is called, where it may be called, and what it does.
///
///     LuaFunction("double") { call in
///       guard let n = call.number(1) else { return .raise("double: expected a number") }
///       call.push(2 * n)
///       return .results(1)
///     }
///
/// The body runs on the worker that steps the run. It must not block (suspend instead, see `LuaCall.suspend`), and it
/// may be called on several workers at once for different runs.
package struct LuaFunction: Sendable {
  /// In which mode of a state the function works. Elsewhere it raises a sentence that says so.
  package enum Availability: Int32, Sendable {
    /// Only while a script is loading, such as `job`.
    case declare = 1
    /// Only in a run, such as `http.get`.
    case run = 2
    case both = 3
  }

  @safe enum Code: Sendable {  // a C function is only handed to the template
    case swift(@Sendable (inout LuaCall) -> LuaReturn)
    case c(moon_function)
  }

  package let name: String
  package let availability: Availability
  let code: Code

  package init(
    _ name: String, in availability: Availability = .both, _ body: @escaping @Sendable (inout LuaCall) -> LuaReturn
  ) {
    self.name = name
    self.availability = availability
    code = .swift(body)
  }

  private init(name: String, code: Code) {
    self.name = name
    availability = .both
    self.code = code
  }

  /// The function with something before it: `body` is given the function's own, which it may call. A function of C is
  /// left as it is.
  package func intercepted(
    _ body: @escaping @Sendable (inout LuaCall, _ own: (inout LuaCall) -> LuaReturn) -> LuaReturn
  ) -> LuaFunction {
    guard case .swift(let own) = code else { return self }
    return LuaFunction(name, in: availability) { call in body(&call, own) }
  }

  /// A `lua_CFunction` of CLuaShim, such as `moon_json_encode`; available in both modes.
  package static func native(_ name: String, _ function: @escaping moon_function) -> LuaFunction {
    unsafe LuaFunction(name: name, code: .c(function))
  }
}

/// A table of host functions and constants that every state has.
package struct LuaModule: Sendable {
  /// The global's name; "" puts the functions into the globals themselves.
  package let name: String
  package let functions: [LuaFunction]
  package let constants: [(String, LuaValue)]
  /// Trusted Lua that runs once, into the template, as `local module, host = ...`. `host` has `context(metatable)`,
  /// `branch(co, ...)`, `wait(ticket, …)` and `forget(ticket, …)`; docs/lua-runtime.md describes them.
  package let prelude: String?

  package init(
    _ name: String, functions: [LuaFunction] = [], constants: [(String, LuaValue)] = [], prelude: String? = nil
  ) {
    self.name = name
    self.functions = functions
    self.constants = constants
    self.prelude = prelude
  }
}

/// What a host function asks of its caller.
package enum LuaReturn: Sendable {
  /// The values pushed last, that many of them, are the results.
  case results(Int)
  /// An error with this text; the calling script's `file:line: ` is put before it.
  case raise(String)
  /// An error whose value is the one pushed last.
  case raiseValue
  /// The run suspends. Only as `LuaCall.suspend` and `LuaCall.wait` return it.
  case suspend

  /// No results.
  package static var none: LuaReturn { .results(0) }
}

/// What a suspended run waits for: a timer, an HTTP exchange, a child process. The host gets it from the step and, when
/// it is done, completes its ticket.
package protocol LuaRequest: AnyObject, Sendable {
  /// Nobody waits for the answer any more: the run was stopped, its state dropped, or the script took another answer
  /// first. Called at most once, on any thread; it should release what the request holds. May come after the request
  /// was completed.
  func abandon()
}
