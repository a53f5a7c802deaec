internal import Lua

/// `csv`: comma-separated values (RFC 4180) and their relatives. It is Lua, so that it gives way, ends at the run's
/// deadline and counts as the run's memory by itself; and it reads from functions that wait, such as a file in pieces.
enum CSVModule {
  static let functions = ["decode", "encode", "rows"]

  static func module() -> LuaModule {
    LuaModule.lazy("csv", functions, natives: [], source: LuaModule.guarding + options + reading + writing)
  }

  /// `csv.decode` and `csv.rows`: goes on where the source for options ends.
  private static let reading = #"""

    -- A machine that is fed pieces of text and answers whole records: `next()` is a list of fields and its first line,
    -- or nil when more text is needed, or at the end.
    local function reader(o, more)
      local buffer, at, line, ended, first = "", 1, 1, false, true
      local delimiter, quote, escape, comment = o.delimiter, o.quote, o.escape, o.comment
      local stop = "[%" .. delimiter .. (escape and "%" .. escape or "") .. "\r\n]"
      local inner = escape and escape ~= quote and "[%" .. (quote or escape) .. "%" .. escape .. "\n\r]"
        or "[%" .. (quote or '"') .. "\n\r]"

      local function fill()
        if ended then return false end
        local piece = more()
        if piece == nil then
          ended = true
          return false
        end
        if type(piece) ~= "string" then
          fail("rows", "the source answered " .. named(piece) .. ", expected a string or nil")
        end
        buffer, at = sub(buffer, at) .. piece, 1
        return true
      end

      -- The position of the first character of a set from `from` on, with more text if it takes some.
      local function seek(pattern, from)
        while true do
          local place = find(buffer, pattern, from)
          if place then return place, from end
          local scanned, before = #buffer + 1, at
          if not fill() then return nil, from end
          from = scanned - before + 1
        end
      end

      -- A character, with more text if it takes some; "" at the end.
      local function char(place)
        while place > #buffer do
          local before = at
          if not fill() then return "", place end
          place = place - before + 1
        end
        return sub(buffer, place, place), place
      end

      -- Takes the line end at `place`, which has been found there.
      local function newline(place)
        local c = sub(buffer, place, place)
        at = place + 1
        line = line + 1
        if c == "\r" then
          local n = char(at)
          if n == "\n" then
            at = at + 1
            return "\r\n"
          end
        end
        return c
      end

      local function quoted(start)
        local parts, began = {}, line
        at = start + 1
        while true do
          local place = seek(inner, at)
          if not place then return nil, "line " .. began .. ": a quote is not closed" end
          parts[#parts + 1] = sub(buffer, at, place - 1)
          local c = sub(buffer, place, place)
          at = place
          if c == "\n" or c == "\r" then
            -- The line end as it was written.
            parts[#parts + 1] = newline(place)
          elseif escape and c == escape and escape ~= quote then
            local n
            n = char(at + 1)
            parts[#parts + 1] = n
            at = at + 2
          else
            local n = char(at + 1)
            if n == quote and not (escape and escape ~= quote) then
              parts[#parts + 1] = quote
              at = at + 2
            else
              at = at + 1
              return concat(parts)
            end
          end
        end
      end

      local function trimmed(text) return (gsub(gsub(text, "^[ \t]+", ""), "[ \t]+$", "")) end

      local function record()
        local began, fields, count = line, {}, 0
        while true do
          local c = char(at)
          if o.trim then
            while c == " " or c == "\t" and delimiter ~= "\t" do
              at = at + 1
              c = char(at)
            end
          end
          local value
          if quote and c == quote then
            local problem
            value, problem = quoted(at)
            if not value then return nil, problem end
            c = char(at)
            if o.trim then
              while c == " " or c == "\t" and delimiter ~= "\t" do
                at = at + 1
                c = char(at)
              end
            end
            if c ~= "" and c ~= delimiter and c ~= "\n" and c ~= "\r" then
              return nil, "line " .. line .. ": there is text after a quoted field"
            end
          else
            local place = seek(stop, at)
            value = sub(buffer, at, place and place - 1)
            at = place or #buffer + 1
            while escape and place and sub(buffer, place, place) == escape do
              value = value .. char(at + 1)
              at = at + 2
              place = seek(stop, at)
              value = value .. sub(buffer, at, place and place - 1)
              at = place or #buffer + 1
            end
            if o.trim then value = trimmed(value) end
            c = place and sub(buffer, place, place) or ""
          end
          count = count + 1
          fields[count] = value
          if c == delimiter then
            at = at + 1
          else
            if c ~= "" then newline(at) end
            return fields, began, count
          end
        end
      end

      return function()
        if first then
          first = false
          while #buffer < 3 and fill() do end
          if sub(buffer, 1, 3) == "\xEF\xBB\xBF" then at = 4 end
        end
        while true do
          local c = char(at)
          if c == "" then return nil end
          if c == "\n" or c == "\r" then
            newline(at)
          elseif comment and c == comment then
            local place = seek("[\r\n]", at)
            if place then newline(place) else at = #buffer + 1 end
          else
            return record()
          end
        end
      end
    end

    -- Records of a reader as scripts get them: a function that answers a row and its line; nil at the end, nil and why
    -- when it is wrong.
    local function records(o, more)
      local next = reader(o, more)
      local header = type(o.header) == "table" and o.header or nil
      local count = header and rawlen(header)
      return function()
        if o.header == true and not header then
          local fields, problem, n = next()
          if not fields then return nil, problem end
          local seen = {}
          for i = 1, n do
            if seen[fields[i]] then return nil, "line " .. problem .. ': the header has "' .. fields[i] .. '" twice' end
            seen[fields[i]] = true
          end
          header, count = fields, n
        end
        local fields, line, n = next()
        if not fields then return nil, line end
        if not header then return fields, line end
        if n ~= count and not o.ragged then
          return nil, "line " .. line .. " has " .. n .. " fields, and the header " .. count
            .. ": allow that with { ragged = true }"
        end
        local row = {}
        for i = 1, count do row[header[i]] = fields[i] end
        for i = count + 1, n do row[i - count] = fields[i] end
        return row, line
      end
    end

    local function source(name, from)
      if type(from) == "function" then return from end
      if type(from) ~= "string" then
        fail(name, "expected a text, or a function that answers pieces of one, as argument 1, got " .. named(from))
      end
      local text = from
      return function()
        local now = text
        text = nil
        return now
      end
    end

    module.decode = function(text, options)
      if type(text) ~= "string" then fail("decode", "expected a text (a string) as argument 1, got " .. named(text)) end
      local next = records(read("decode", options), source("decode", text))
      local rows, count = {}, 0
      while true do
        local row, problem = next()
        if not row then
          if problem then return nil, problem end
          return rows
        end
        count = count + 1
        rows[count] = row
      end
    end

    module.rows = function(from, options)
      local next = records(read("rows", options), source("rows", from))
      return guard(function()
        local row, line = next()
        if not row and line then fail("rows", line) end
        return row, line
      end)
    end
    """#
}
