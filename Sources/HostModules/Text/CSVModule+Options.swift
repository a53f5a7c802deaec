extension CSVModule {
  /// What all functions share: the options, as they are read and checked.
  static let options = #"""
    local byte, find, sub, gsub, concat, type, error, tostring, pairs, ipairs, rawlen =
      string.byte, string.find, string.sub, string.gsub, table.concat, type, error, tostring, pairs, ipairs, rawlen
    local module, misuse = {}, fail

    local function fail(name, text) misuse("csv." .. name .. ": " .. text) end

    local function named(value)
      local kind = type(value)
      return kind == "nil" and "nil" or (find(kind, "^[aeiou]") and "an " or "a ") .. kind
    end

    local known = { delimiter = 1, quote = 1, escape = 1, comment = 1, header = 1, trim = 1, ragged = 1, eol = 1,
      quote_all = 1, safe = 1 }

    local function one(name, options, key, otherwise)
      local value = options[key]
      if value == nil then return otherwise end
      if value == false then return nil end
      if type(value) ~= "string" or #value ~= 1 or find(value, "[\r\n]") then
        local given = type(value) == "string" and '"' .. value .. '"' or named(value)
        fail(name, "options." .. key .. " must be one character, not " .. given)
      end
      return value
    end

    local function read(name, options)
      if options == nil then options = {} end
      if type(options) ~= "table" then
        fail(name, "expected a table of options as argument 2, got " .. named(options))
      end
      for key in pairs(options) do
        if not known[key] then fail(name, "options." .. tostring(key) .. ": unknown field") end
      end
      local o = {
        delimiter = one(name, options, "delimiter", ","), quote = one(name, options, "quote", '"'),
        escape = one(name, options, "escape"), comment = one(name, options, "comment"),
        trim = options.trim, ragged = options.ragged, header = options.header, eol = options.eol or "\r\n",
        quote_all = options.quote_all, safe = options.safe,
      }
      if not o.delimiter then fail(name, "options.delimiter must be one character") end
      if o.delimiter == o.quote or o.delimiter == o.escape then
        fail(name, "options.delimiter is also the quote or the escape")
      end
      if type(o.eol) ~= "string" then fail(name, "options.eol: expected a string, got " .. named(o.eol)) end
      for _, key in ipairs { "trim", "ragged", "quote_all", "safe" } do
        if options[key] ~= nil and type(options[key]) ~= "boolean" then
          fail(name, "options." .. key .. ": expected a boolean, got " .. named(options[key]))
        end
      end
      local header = o.header
      if header ~= nil and type(header) ~= "boolean" and type(header) ~= "table" then
        fail(name, "options.header: expected true or a list of names, got " .. named(header))
      end
      if type(header) == "table" then
        for i = 1, rawlen(header) do
          if type(header[i]) ~= "string" then
            fail(name, "options.header[" .. i .. "]: expected a string, got " .. named(header[i]))
          end
        end
      end
      return o
    end

    local function set(...)
      local text = ""
      for _, c in ipairs { ... } do text = text .. "%" .. c end
      return "[" .. text .. "\r\n]"
    end
    """#
}
