internal import HostModules
internal import Lua

/// The Lua of test files: `test` at the top level, and what `t` can do in a test.
///
/// Lua, since answers of fakes, values of any kind and lines of errors are Lua's. `t` is compiled in a state when it is
/// first used there.
enum TestLanguage {
  /// `test(name, options, function(t) … end)`: a job by another name, so that a test is captured, limited and stopped
  /// like one.
  static let declaring = """
    local g = ...
    local job, seen, type, error, pairs = g.job, {}, type, error, pairs
    local known = { at = true, timeout = true, memory = true, jobs = true }
    function g.test(name, options, body)
      if type(options) == "function" and body == nil then options, body = {}, options end
      if type(name) ~= "string" or name == "" then error("test: expected a name (a string) as argument 1", 2) end
      local what = "test \\"" .. name .. "\\": "
      if type(body) ~= "function" then
        error(what .. "it has no function: write test(\\"" .. name .. "\\", function(t) … end)", 2)
      end
      if type(options) ~= "table" then error(what .. "expected a table of options as argument 2", 2) end
      for key in pairs(options) do
        if not known[key] then
          error(what .. "there is no option " .. tostring(key) .. ": at, jobs, timeout and memory are there", 2)
        end
      end
      if seen[name] then error(what .. "this file has a test of that name already", 2) end
      seen[name] = true
      job {
        name = name, run = body, timeout = options.timeout or "30s", memory = options.memory,
        params = { at = options.at, jobs = options.jobs },
      }
    end
    local function refuse() error("a test file declares no jobs: a script does, and tests name them", 2) end
    g.job, g.job_defaults = refuse, refuse
    """

  /// `t`, a table whose fields come from ``source``.
  static let context = """
    local module, host = ...
    local natives, load, made = {}, load, nil
    for name, native in next, module do natives[name] = native end
    _G.t = nil
    host.context {
      __index = function(t, key)
        made = made or load(natives.__source(), "=[t]")(natives)
        return made(t, key)
      end,
      __newindex = function(_, key)
        natives.__raise("t cannot be changed: keep " .. tostring(key) .. " in a local variable")
      end,
      __metatable = false,
    }
    """

  /// Given the natives; answers what `t` has under a name.
  static let source = LuaModule.guarding + values + driving + assertions + asking

  /// How values are shown and compared.
  private static let values = """
    local natives = ...
    local type, pairs, tostring, pack, unpack = type, pairs, tostring, table.pack, table.unpack
    local me, failed, broken, isDriving
    local show
    local function key(k)
      if type(k) == "string" and k:find "^[%a_][%w_]*$" then return "." .. k end
      return "[" .. show(k) .. "]"
    end
    local function sorted(keys)
      table.sort(keys, function(a, b)
        if type(a) == type(b) and (type(a) == "number" or type(a) == "string") then return a < b end
        return type(a) < type(b)
      end)
      return keys
    end
    function show(v, depth)
      depth = depth or 0
      if type(v) == "string" then
        local text = #v > 300 and v:sub(1, 300) or v
        text = text:gsub('[%c"\\\\]', function(c)
          if c == "\\n" then return "\\\\n" end
          return c == "\\t" and "\\\\t" or c:find "%c" and ("\\\\%d"):format(c:byte()) or "\\\\" .. c
        end)
        return '"' .. text .. '"' .. (#v > 300 and (" … (" .. #v .. " bytes)") or "")
      end
      if type(v) ~= "table" then return type(v) == "function" and "a function" or tostring(v) end
      if depth >= 3 then return "{…}" end
      local parts, length = {}, #v
      for i = 1, math.min(length, 10) do parts[i] = show(v[i], depth + 1) end
      local keys = {}
      for k in pairs(v) do
        if not (math.type(k) == "integer" and k >= 1 and k <= length) then keys[#keys + 1] = k end
      end
      for i, k in ipairs(sorted(keys)) do
        if i > 20 then break end
        parts[#parts + 1] = (type(k) == "string" and key(k):gsub("^%.", "") or key(k)) .. " = " .. show(v[k], depth + 1)
      end
      if length > 10 or #keys > 20 then parts[#parts + 1] = "…" end
      return #parts == 0 and "{}" or "{ " .. table.concat(parts, ", ") .. " }"
    end
    local function lines(text)
      local all = {}
      for line in (text .. "\\n"):gmatch "(.-)\\n" do all[#all + 1] = line end
      return all
    end
    local function difference(path, want, got, out, seen)
      if want == got or (want ~= want and got ~= got) or #out > 20 then return end
      local place = path == "" and "" or path .. ": "
      if type(want) == "table" and type(got) == "table" then
        seen[want] = seen[want] or {}
        if seen[want][got] then return end
        seen[want][got] = true
        local keys = {}
        for k in pairs(want) do keys[#keys + 1] = k end
        for k in pairs(got) do if want[k] == nil then keys[#keys + 1] = k end end
        for _, k in ipairs(sorted(keys)) do difference(path .. key(k), want[k], got[k], out, seen) end
        return
      end
      if type(want) == "string" and type(got) == "string" and (want:find "\\n" or got:find "\\n") then
        local a, b = lines(want), lines(got)
        for i = 1, math.max(#a, #b) do
          if a[i] ~= b[i] then
            out[#out + 1] = place .. "line " .. i .. ": expected " .. show(a[i]) .. ", got " .. show(b[i])
            return
          end
        end
      end
      out[#out + 1] = place .. "expected " .. show(want) .. ", got " .. show(got)
    end

    """

  /// Letting time pass, and answering what jobs ask meanwhile.
  private static let driving = """
    local fakes, calls = {}, {}
    -- What a fake gave, as the host function gives it.
    local shapes = {
      http = function(value, err, address)
        if value == nil and err ~= nil then
          return nil, type(err) == "table" and err or { kind = "fake", message = tostring(err) }
        end
        if type(value) == "string" then value = { body = value } end
        if type(value) == "number" then value = { status = value } end
        if value == nil then value = {} end
        if type(value) ~= "table" then
          error("it answered " .. show(value) .. ", not a table like { status = 200 }", 0)
        end
        local answer = {}
        for k, v in pairs(value) do answer[k] = v end
        if answer.json ~= nil then answer.body, answer.json = json.encode(answer.json), nil end
        local headers = {}
        for k, v in pairs(answer.headers or {}) do headers[tostring(k):lower()] = v end
        answer.headers, answer.status, answer.body = headers, answer.status or 200, answer.body or ""
        answer.url = answer.url or address
        return answer
      end,
      exec = function(value, err)
        if value == nil and err ~= nil then return nil, tostring(err) end
        if type(value) == "string" then value = { stdout = value } end
        if type(value) == "number" then value = { code = value } end
        if value == nil then value = {} end
        if type(value) ~= "table" then error("it answered " .. show(value) .. ", not a table like { code = 0 }", 0) end
        local answer = { code = 0, stdout = "", stderr = "", timed_out = false, truncated = false,
          stdout_omitted = 0, stderr_omitted = 0 }
        for k, v in pairs(value) do answer[k] = v end
        return answer
      end,
    }
    local function sent(value, err)
      if (value == nil or value == false) and err ~= nil then
        return nil, type(err) == "table" and err or { kind = "fake", message = tostring(err) }
      end
      return value == nil or value
    end
    shapes["mail.send"], shapes.notify = sent, sent

    local function answered(fake, shape, arguments, ok, ...)
      if not ok then
        local err = ...
        if failed then broken = err end
        return false, type(err) == "table" and err.message or tostring(err)
      end
      if not shape then return true, ... end
      local results = pack(pcall(shape, ..., select(2, ...), arguments[arguments.n > 1 and 2 or 1]))
      if not results[1] then return false, "the fake of " .. fake .. ": " .. tostring(results[2]) end
      return true, unpack(results, 2, results.n)
    end
    local function invoke(call)
      local fake, arguments = fakes[call.fake], { n = call.count }
      for i = 1, call.count do arguments[i] = call.given[i][1] end
      local list = calls[call.fake] or {}
      calls[call.fake] = list
      list[#list + 1] = arguments
      if not fake then return call.id, 0, false, call.fake .. ": the test has taken its answer back" end
      local value = fake.value
      if type(value) == "function" then
        return call.id, fake.takes,
          answered(call.fake, shapes[call.shape], arguments, pcall(value, unpack(arguments, 1, call.count)))
      end
      if type(value) == "table" and (call.shape == "secret" or call.shape == "env.get") then
        value = value[arguments[1]]
        if value == nil then
          if call.shape == "env.get" then return call.id, fake.takes, true, arguments[2] end
          return call.id, fake.takes, true, nil, "there is no secret \\"" .. tostring(arguments[1]) .. "\\""
        end
      end
      return call.id, fake.takes, answered(call.fake, shapes[call.shape], arguments, true, value)
    end
    local function settle(what, value)
      while what == "call" do what, value = natives.__answer(invoke(value)) end
      isDriving = false
      if broken then
        local err = broken
        broken = nil
        error(err, 0)
      end
      if what == "error" then fail(value) end
      return value
    end
    local function drive(name, ...)
      if isDriving then
        failed = true
        fail("t:" .. name .. ": a fake answers at once: let it take time with { takes = … }")
      end
      isDriving = true
      local what, value = natives.__drive(name, ...)
      if what == "misuse" then
        isDriving = false
        fail(value)
      end
      return settle(what, value)
    end
    local function ask(...)
      local answer, err = natives.__ask(...)
      if err then fail(err) end
      return answer
    end

    """
}
