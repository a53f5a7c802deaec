extension CSVModule {
  /// `csv.encode`, and what the module answers: goes on where the source for reading ends.
  static let writing = #"""

    module.encode = function(rows, options)
      if type(rows) ~= "table" then fail("encode", "expected a list of rows as argument 1, got " .. named(rows)) end
      local o = read("encode", options)
      local delimiter, quote = o.delimiter, o.quote
      if not quote then fail("encode", "options.quote must be one character") end
      local special, twice = set(delimiter, quote), (gsub(quote .. quote, "%%", "%%%%"))
      local pattern = "%" .. quote

      local function field(value, i, key)
        local kind = type(value)
        if kind == "nil" then return o.quote_all and quote .. quote or "" end
        if kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
          fail("encode", "row " .. i .. ", field " .. tostring(key)
            .. ": expected a string, number or boolean, got " .. named(value))
        end
        local text = tostring(value)
        -- What a spreadsheet would take for a formula (OWASP, CSV injection).
        if o.safe and kind == "string" and find(text, "^[=+%-@\t\r]") then text = "'" .. text end
        if o.quote_all or find(text, special) or find(text, "^ ") or find(text, " $") or find(text, "^\xEF\xBB\xBF")
        then
          return quote .. gsub(text, pattern, twice) .. quote
        end
        return text
      end

      local header = type(o.header) == "table" and o.header or nil
      if o.header == true then
        header = {}
        for key in pairs(rows[1] or {}) do
          if type(key) == "string" then header[#header + 1] = key end
        end
        table.sort(header)
      end
      local lines = {}
      if header then
        local names = {}
        for i = 1, rawlen(header) do names[i] = field(header[i], 0, i) end
        lines[1] = concat(names, delimiter)
      end
      for i = 1, rawlen(rows) do
        local row, fields = rows[i], {}
        if type(row) ~= "table" then fail("encode", "row " .. i .. " is " .. named(row) .. ", expected a table") end
        if header and next(row) ~= nil and row[1] == nil or header and next(row) == nil then
          for j = 1, rawlen(header) do fields[j] = field(row[header[j]], i, header[j]) end
        else
          local last = 0
          for key in pairs(row) do
            if math.type(key) == "integer" and key > last and key <= 100000 then last = key end
          end
          for j = 1, last do fields[j] = field(row[j], i, j) end
        end
        -- A line without anything in it would be no record.
        if #fields == 1 and fields[1] == "" then fields[1] = quote .. quote end
        lines[#lines + 1] = concat(fields, delimiter)
      end
      if #lines == 0 then return "" end
      return concat(lines, o.eol) .. o.eol
    end

    return { decode = guard(module.decode), encode = guard(module.encode), rows = guard(module.rows) }
    """#
}
