/// The checks of `t`, and what it asks its host.
extension TestLanguage {
  static let assertions = """
    local t = {}
    local function refuse(message, text)
      failed = true
      fail((message ~= nil and tostring(message) .. ": " or "") .. text)
    end
    function t.equal(_, got, want, message)
      local out = {}
      difference("", want, got, out, {})
      if #out == 0 then return got end
      if #out > 20 then out[21] = "…" end
      refuse(message, #out == 1 and out[1] or "the values differ\\n  " .. table.concat(out, "\\n  "))
    end
    function t.ok(_, value, message)
      if not value then refuse(message, "expected a true value, got " .. show(value)) end
      return value
    end
    function t.near(_, got, want, within, message)
      if type(got) ~= "number" or type(want) ~= "number" or type(within) ~= "number" then
        fail("t:near(got, want, within): three numbers are compared")
      end
      if not (math.abs(got - want) <= within) then
        refuse(message, "expected " .. want .. " within " .. within .. ", got " .. got)
      end
      return got
    end
    function t.match(_, text, pattern, message)
      if type(pattern) ~= "string" then fail("t:match(text, pattern): the pattern is a string, as for string.find") end
      if type(text) ~= "string" or not text:find(pattern) then
        refuse(message, "expected a text that matches " .. show(pattern) .. ", got " .. show(text))
      end
      return text
    end
    function t.raises(_, body, pattern)
      if type(body) ~= "function" then fail("t:raises(function() … end, pattern): expected a function") end
      local ok, err = pcall(body)
      if ok then refuse(nil, "expected an error, got none") end
      failed = nil
      local text = type(err) == "table" and err.message or tostring(err)
      if pattern and not tostring(text):find(pattern) then
        refuse(nil, "expected an error that matches " .. show(pattern) .. ", got " .. show(text))
      end
      return err
    end
    function t.fail(_, message) refuse(nil, message == nil and "the test failed" or tostring(message)) end

    """

  static let asking = """
    function t.advance(_, duration) return drive("advance", duration) end
    function t.advance_to(_, time) return drive("advance_to", time) end
    function t.run(_, job, options)
      for k in pairs(options or {}) do
        if k ~= "params" and k ~= "within" then
          fail("t:run: there is no option " .. tostring(k) .. ": params and within are there")
        end
      end
      options = options or {}
      return drive("run", job, options.params, options.within)
    end
    function t.emit(_, name, data) return drive("emit", name, data) end
    function t.files(_, job, paths) return drive("files", job, paths) end
    function t.fake(_, name, answer, options)
      if answer == nil then
        fail("t:fake: expected what " .. tostring(name) .. " answers as argument 2: a function, or a value")
      end
      for k in pairs(options or {}) do
        if k ~= "takes" then fail("t:fake: there is no option " .. tostring(k) .. ": takes is there") end
      end
      ask("fake", name, true)
      fakes[name] = { value = answer, takes = options and options.takes or 0 }
      ask("duration", fakes[name].takes)
    end
    function t.unfake(_, name)
      ask("fake", name, false)
      fakes[name] = nil
    end
    function t.calls(_, name)
      local list = {}
      for i, arguments in ipairs(calls[name] or {}) do list[i] = { unpack(arguments, 1, arguments.n) } end
      return list
    end
    function t.now() return time.now() end
    function t.next(_, job, count) return ask("next", job, count or 1) end
    function t.runs(_, job) return ask("runs", job) end
    function t.logs(_, job) return ask("logs", job) end
    function t.kv_get(_, job, key) return ask("kv_get", job, key) end
    function t.kv_set(_, job, key, value) return ask("kv_set", job, key, value) end

    local methods = {}
    for name, body in pairs(t) do
      methods[name] = guard(function(self, ...)
        if self == nil or self ~= me then fail("write t:" .. name .. "(…) with a colon, not with a dot") end
        return body(self, ...)
      end)
    end
    return function(self, name)
      me = self
      if name == "dir" then return natives.__ask("dir") end
      local method = methods[name]
      if not method then
        local all = {}
        for known in pairs(methods) do all[#all + 1] = known end
        table.sort(all)
        natives.__raise("t has no " .. tostring(name) .. "; it has dir, " .. table.concat(all, ", "))
      end
      return method
    end
    """
}
