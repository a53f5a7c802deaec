/// `fs.lines` and `fs.chunks`: the Lua part.
extension FileModule {
  static let source = """
    local module = {}
    local natives = ...
    local open, piece, close = natives.__open, natives.__piece, natives.__close
    local find, sub, error, type, setmetatable, concat = string.find, string.sub, error, type, setmetatable, table.concat
    local function pieces(name, path, options)
      local number, why = open(name, path, options)
      if not number then error(name .. ": " .. why, 3) end
      local isOpen = true
      local function finish()
        if isOpen then
          isOpen = false
          close(number)
        end
      end
      local function next()
        if not isOpen then return nil end
        local bytes, problem = piece(number)
        if problem then
          finish()
          error(name .. ": " .. path .. ": " .. problem, 3)
        end
        if not bytes then finish() end
        return bytes
      end
      return next, setmetatable({}, { __close = finish })
    end
    module.chunks = function(path, options)
      local next, closer = pieces("fs.chunks", path, options)
      return next, nil, nil, closer
    end
    module.lines = function(path, options)
      local next, closer = pieces("fs.lines", path, options)
      local rest, at, number = "", 1, 0
      local function line()
        local parts
        while true do
          local stop = rest and find(rest, "\\n", at, true)
          if stop then
            local text = sub(rest, at, stop - 1)
            at = stop + 1
            if parts then
              parts[#parts + 1] = text
              text = concat(parts)
            end
            if sub(text, -1) == "\\r" then text = sub(text, 1, -2) end
            number = number + 1
            return text, number
          end
          if not rest then return nil end
          if at <= #rest then
            parts = parts or {}
            parts[#parts + 1] = sub(rest, at)
          end
          rest, at = next(), 1
          if not rest then
            if not parts then return nil end
            number = number + 1
            return concat(parts), number
          end
        end
      end
      return line, nil, nil, closer
    end
    return module
    """
}
