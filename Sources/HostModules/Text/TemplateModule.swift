internal import Lua

/// `template`: text with holes, each filled with a value that is escaped for the place where it stands. It is Lua, for
/// the reasons of ``CSVModule``; a template is read into a list and never compiled as code, so what stands in one
/// cannot run.
enum TemplateModule {
  static let functions = ["render", "compile"]

  static func module() -> LuaModule {
    LuaModule.lazy("template", functions, natives: [], source: LuaModule.guarding + source)
  }

  private static let source = #"""
    local find, sub, gsub, format = string.find, string.sub, string.gsub, string.format
    local byte, concat = string.byte, table.concat
    local type, tostring, tonumber, error = type, tostring, tonumber, error
    local pairs, rawget, rawlen = pairs, rawget, rawlen
    local encode = json.encode
    local module = {}

    local function named(value)
      local kind = type(value)
      return kind == "nil" and "nil" or (find(kind, "^[aeiou]") and "an " or "a ") .. kind
    end

    local entities = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }
    -- Each makes a text safe for one kind of place.
    local escapes = {
      html = function(text) return (gsub(text, "[&<>\"']", entities)) end,
      url = function(text) return (gsub(text, "[^%w%-._~]", function(c) return format("%%%02X", byte(c)) end)) end,
      json = function(_, value) return encode(value) end,
      shell = function(text) return "'" .. gsub(text, "'", "'\\''") .. "'" end,
      sql = function(text) return "'" .. gsub(text, "'", "''") .. "'" end,
      csv = function(text)
        if find(text, "[\",\r\n;]") then return '"' .. gsub(text, '"', '""') .. '"' end
        return text
      end,
      none = function(text) return text end,
    }

    local function line(text, place)
      local _, count = gsub(sub(text, 1, place), "\n", "")
      return "line " .. count + 1
    end

    local function key(name)
      local number = tonumber(name)
      return number and math.type(number) == "integer" and number or name
    end

    -- Reads a template into nested lists of { kind, … }. nil and why when it is wrong.
    local function parse(text, options)
      local root = {}
      local stack, at = { { nodes = root } }, 1
      while true do
        local open = find(text, "{{", at, true)
        local top = stack[#stack]
        local before = sub(text, at, open and open - 1)
        if not open then
          if before ~= "" then top.nodes[#top.nodes + 1] = { "text", before } end
          break
        end
        local raw = sub(text, open, open + 2) == "{{{"
        local close, last = find(text, raw and "}}}" or "}}", open + 2, true)
        if not close then return nil, line(text, open) .. ": {{ is not closed" end
        local inside = sub(text, open + (raw and 3 or 2), close - 1)
        local sign, rest = inside:match("^%s*([#^/!&]?)%s*(.-)%s*$")
        if raw then sign, rest = "&", inside:match("^%s*(.-)%s*$") end
        at = last + 1
        -- A section or a comment alone on its line leaves no empty line behind.
        if sign ~= "" and sign ~= "&" then
          local lead = find(before, "[ \t]*$")
          local start = open - #before
          local alone = lead == 1 and (start == 1 or sub(text, start - 1, start - 1) == "\n")
            or sub(before, lead - 1, lead - 1) == "\n"
          local tail = find(text, "^[ \t]*\r?\n", at)
          if alone and tail then
            before = sub(before, 1, lead - 1)
            at = select(2, find(text, "^[ \t]*\r?\n", at)) + 1
          end
        end
        if before ~= "" then top.nodes[#top.nodes + 1] = { "text", before } end
        if sign ~= "!" then
          local name, filter = rest:match("^(.-)%s*|%s*(%w+)$")
          name = name or rest
          if not find(name, "^[%w_][%w_%-.]*$") and name ~= "." then
            return nil, line(text, open) .. ': "' .. rest
              .. '" is no name: write {{name}}, {{a.b}}, {{name | url}}, {{#name}} … {{/name}}'
          end
          if filter and not escapes[filter] then
            return nil, line(text, open) .. ': "' .. filter
              .. '" is no escaping: write html, url, json, shell, sql, csv or none'
          end
          if sign == "#" or sign == "^" then
            if #stack > 100 then return nil, line(text, open) .. ": sections are more than 100 deep" end
            local node = { sign, name, {} }
            top.nodes[#top.nodes + 1] = node
            stack[#stack + 1] = { nodes = node[3], name = name, place = open }
          elseif sign == "/" then
            if top.name ~= name then
              local closed = top.name and "{{#" .. top.name .. "}}" or "nothing"
              return nil, line(text, open) .. ": {{/" .. name .. "}} closes " .. closed
            end
            stack[#stack] = nil
          else
            local escape = sign == "&" and "none" or filter or options.escape
            top.nodes[#top.nodes + 1] = { "value", name, escape, line(text, open) }
          end
        end
      end
      local top = stack[#stack]
      if top.name then return nil, line(text, top.place) .. ": {{#" .. top.name .. "}} is not closed" end
      return root
    end

    local function lookup(scopes, name)
      if name == "." then return scopes[#scopes] end
      local first, rest = name:match("^([^.]+)%.?(.*)$")
      local value
      for i = #scopes, 1, -1 do
        local scope = scopes[i]
        if type(scope) == "table" then
          value = scope[key(first)]
          if value == nil then value = scope[first] end
          if value ~= nil then break end
        end
      end
      for part in rest:gmatch("[^.]+") do
        if type(value) ~= "table" then return nil end
        local found = value[key(part)]
        if found == nil then found = value[part] end
        value = found
      end
      return value
    end

    local function shown(value, name, options, where)
      local kind = type(value)
      if kind == "nil" or value == json.null then
        if options.missing == "empty" then return "" end
        fail("template: " .. where .. ': there is no value for "' .. name .. '": give it one, or { missing = "empty" }')
      end
      return kind == "table" and "" or tostring(value)
    end

    local function render(nodes, scopes, options, out)
      for i = 1, #nodes do
        local node = nodes[i]
        local kind, name = node[1], node[2]
        if kind == "text" then
          out[#out + 1] = name
        elseif kind == "value" then
          local value = lookup(scopes, name)
          local text = shown(value, name, options, node[4])
          if type(value) == "table" and node[3] ~= "json" then
            fail("template: " .. node[4] .. ': "' .. name .. '" is a table: write {{#' .. name .. "}} … {{/" .. name
              .. "}}, or {{" .. name .. " | json}}")
          end
          if type(value) == "function" then fail("template: " .. node[4] .. ': "' .. name .. '" is a function') end
          out[#out + 1] = value == nil and "" or escapes[node[3]](text, value)
        else
          local value = lookup(scopes, name)
          local empty = not value or value == json.null or value == "" or type(value) == "table" and next(value) == nil
          if kind == "^" then
            if empty then render(node[3], scopes, options, out) end
          elseif not empty then
            if type(value) == "table" and value[1] ~= nil then
              for j = 1, rawlen(value) do
                scopes[#scopes + 1] = value[j]
                render(node[3], scopes, options, out)
                scopes[#scopes] = nil
              end
            else
              scopes[#scopes + 1] = value
              render(node[3], scopes, options, out)
              scopes[#scopes] = nil
            end
          end
        end
      end
    end

    local function read(name, options)
      if options == nil then options = {} end
      if type(options) ~= "table" then
        fail("template." .. name .. ": expected a table of options, got " .. named(options))
      end
      for field in pairs(options) do
        if field ~= "escape" and field ~= "missing" then
          fail("template." .. name .. ": options." .. tostring(field) .. ": unknown field")
        end
      end
      local escape, missing = options.escape or "html", options.missing or "error"
      if type(escape) ~= "string" or not escapes[escape] then
        fail("template." .. name .. ": options.escape must be html, url, json, shell, sql, csv or none, not "
          .. tostring(escape))
      end
      if missing ~= "error" and missing ~= "empty" then
        fail('template.' .. name .. ': options.missing must be "error" or "empty", not ' .. tostring(missing))
      end
      return { escape = escape, missing = missing }
    end

    local function compile(name, text, options)
      if type(text) ~= "string" then
        fail("template." .. name .. ": expected a text (a string) as argument 1, got " .. named(text))
      end
      local o = read(name, options)
      local nodes, problem = parse(text, o)
      if not nodes then fail("template." .. name .. ": " .. problem) end
      return function(values)
        if values ~= nil and type(values) ~= "table" then
          fail("template." .. name .. ": expected a table of values, got " .. named(values))
        end
        local out = {}
        render(nodes, { values or {} }, o, out)
        return concat(out)
      end
    end

    module.compile = function(text, options) return guard(compile("compile", text, options)) end
    module.render = function(text, values, options) return compile("render", text, options)(values) end

    return { compile = guard(module.compile), render = guard(module.render) }
    """#
}
