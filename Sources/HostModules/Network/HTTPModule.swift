internal import Basics
internal import FileWatching
internal import HTTPTransfer
internal import JobModel
internal import Lua
internal import ScriptRuntime

/// `http`: requests to other hosts, within the grant `http`. Each waits without a thread; an answer is a table,
/// whatever its status; what prevents one is `nil, err` with a stable `err.kind`.
enum HTTPModule {
  /// Bytes of an answer that are taken unless `max` says otherwise: in memory, and in a file.
  static let answerLimit = 16 << 20
  static let fileLimit = 1 << 30
  /// Nanoseconds that a call has unless `timeout` says otherwise.
  static let timeout: Int64 = 60_000_000_000

  static let methods = ["get", "head", "post", "put", "patch", "delete", "options"]
  static let functions = methods + ["request"]

  static func module(_ client: HTTPClient) -> LuaModule {
    let request = LuaFunction.host("__request", as: "http.request") { call, _ throws(Misuse) in
      let arguments = Arguments(function: "http.\(call.string(1) ?? "request")")
      let draft = try HTTPDraft(call, arguments)
      let exchange = HTTPCall(draft, client)
      return call.suspend(
        HeldRequest(begin: { exchange.begin($0) }, release: { exchange.release() }))
    }
    return LuaModule.lazy("http", functions, natives: [request], source: LuaModule.guarding + source)
  }

  // What is Lua here is what a Lua table can do and a host function cannot: metatables, by which an error reads as its
  // message, and a header is found however it is written. The content goes as arguments of their own, so that options
  // are read without them.
  private static let source = """
    local request = (...).__request
    local lower, rawget, type, pairs, setmetatable, decode =
      string.lower, rawget, type, pairs, setmetatable, json.decode
    local headers = {
      __index = function(t, key) if type(key) == "string" then return rawget(t, lower(key)) end end,
    }
    local answer = { __index = { json = function(self) return decode(self.body or "") end } }
    local function made(result, err)
      if result then
        setmetatable(result.headers, headers)
        return setmetatable(result, answer)
      end
      return nil, setmetatable(err, problem)
    end
    local function ask(name, method, url, options)
      local body, value
      if type(options) == "table" and (options.body ~= nil or options.json ~= nil) then
        local rest = {}
        for key, field in pairs(options) do
          if key == "body" then body = field elseif key == "json" then value = field else rest[key] = field end
        end
        options = rest
      end
      return made(request(name, method, url, options, body, value))
    end
    local module = {
      request = function(method, url, options) return ask("request", method, url, options) end,
    }
    for _, name in ipairs { "get", "head", "post", "put", "patch", "delete", "options" } do
      local method = name:upper()
      module[name] = function(url, options) return ask(name, method, url, options) end
    end
    return module
    """
}

/// Whom a script may ask, as a policy for the client. The grants are those of the moment: a reload takes effect at
/// once.
struct ScriptHTTPPolicy: HTTPPolicy {
  let script: ScriptPath
  let grants: @Sendable (ScriptPath) -> Grants

  func refusal(of url: HTTPURL) -> String? {
    if grants(script).http.allows(host: url.host, port: url.port) { return nil }
    return Grants.refusal(of: "asking \(url.host)", to: script, grant: "http = { \"\(url.host)\" }")
  }

  func permits(_ address: IPAddress, for url: HTTPURL) -> Bool {
    grants(script).http.allows(address, port: url.port)
  }

  func refusal(of address: IPAddress, for url: HTTPURL) -> String {
    Grants.refusal(
      of: "asking \(url.host) at \(address), which is no public address", to: script,
      grant: "http = { \"\(url.host)\", \"\(address)\" }")
  }
}
