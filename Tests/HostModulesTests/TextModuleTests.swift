import JobModel
import ScriptFixtures
import TestSupport
import Testing

@testable import HostModules

@Suite("csv and template", .onBothExecutors)
struct TextModuleTests {
  private func run(_ body: String) throws -> String {
    let report = try PoolFixture().run(body)
    return report.result ?? report.error?.message ?? "\(report.outcome)"
  }

  @Test(
    "what RFC 4180 and its relatives mean, whole and in pieces of one byte",
    arguments: [
      (#"'a,b\r\nc,d\r\n'"#, "nil", #"[["a","b"],["c","d"]]"#),
      (#"'a,b\nc,d'"#, "nil", #"[["a","b"],["c","d"]]"#),
      (#"'a,b\rc,d\r'"#, "nil", #"[["a","b"],["c","d"]]"#),
      (#"'\xEF\xBB\xBFa'"#, "nil", #"[["a"]]"#),
      (#"'"a ""q"" b","c,d","e\r\nf"'"#, "nil", #"[["a \"q\" b","c,d","e\r\nf"]]"#),
      (#"',,\n'"#, "nil", #"[["","",""]]"#),
      (#"'""'"#, "nil", #"[[""]]"#),
      (#"'\n\na\n\n'"#, "nil", #"[["a"]]"#),
      (#"''"#, "nil", "[]"),
      (#"'a;b'"#, "{ delimiter = ';' }", #"[["a","b"]]"#),
      (#"'a\tb'"#, "{ delimiter = '\\t' }", #"[["a","b"]]"#),
      (#"'a|"b'"#, "{ delimiter = '|', quote = false }", #"[["a","\"b"]]"#),
      (#"[['it''s',b]]"#, "{ quote = \"'\" }", #"[["it's","b"]]"#),
      (#"[["a\"b",c\,d]]"#, #"{ escape = '\\' }"#, #"[["a\"b","c,d"]]"#),
      (#"'# c\n a , "b" \n'"#, "{ comment = '#', trim = true }", #"[["a","b"]]"#),
      (#"'n,m\n1,2'"#, "{ header = true }", #"[{"m":"2","n":"1"}]"#),
      (#"'1,2'"#, "{ header = { 'n', 'm' } }", #"[{"m":"2","n":"1"}]"#),
      (#"'n,m\n1'"#, "{ header = true, ragged = true }", #"[{"n":"1"}]"#),
      (
        #"'n,m\n1'"#, "{ header = true }",
        #"[null,"line 2 has 1 fields, and the header 2: allow that with { ragged = true }"]"#
      ),
      (#"'n,n\n'"#, "{ header = true }", #"[null,"line 1: the header has \"n\" twice"]"#),
      (#"'a\n"b\nc'"#, "nil", #"[null,"line 2: a quote is not closed"]"#),
      (#"'"a"b'"#, "nil", #"[null,"line 1: there is text after a quoted field"]"#),
    ])
  func reads(text: String, options: String, expected: String) throws {
    let result = try run(
      """
      local text, options = \(text), \(options)
      local rows, why = csv.decode(text, options)
      local at, got = 0, {}
      local ok, problem = pcall(function()
        for row in csv.rows(function() at = at + 1 if at <= #text then return text:sub(at, at) end end, options) do got[#got + 1] = row end
      end)
      if ok then
        assert(json.encode(got) == json.encode(rows), json.encode(got))
      else
        assert(problem:find(why, 1, true) and problem:find("^test.lua:%d+: csv.rows: "), problem)
      end
      if not rows then return { json.null, why } end
      return rows
      """)
    #expect(result == expected, "\(text)")
  }

  @Test("what is written is read as it was, whatever is in it")
  func writes() throws {
    #expect(
      try run(
        #"""
        local pieces = { "", "a", ",", '"', "\r", "\n", "\r\n", " ", "ü", ";", "'", "\\", "=1", "0", "\0", "\xff" }
        local seed = 7
        local function random(n) seed = seed * 1103515245 + 12345 & 0x7fffffff return seed // 65536 % n + 1 end
        for _ = 1, 300 do
          local rows = {}
          for i = 1, random(4) do
            rows[i] = {}
            for j = 1, 3 do
              local text = {}
              for k = 1, random(5) do text[k] = pieces[random(#pieces)] end
              rows[i][j] = table.concat(text)
            end
          end
          for _, options in ipairs { {}, { delimiter = ";" }, { quote_all = true }, { eol = "\n" } } do
            local text = csv.encode(rows, options)
            local back = assert(csv.decode(text, { delimiter = options.delimiter }))
            assert(#back == #rows, text)
            for i, row in ipairs(rows) do for j = 1, 3 do assert(back[i][j] == row[j], text) end end
          end
        end
        return { csv.encode({ { name = "x", n = 1 }, { n = 2.5 } }, { header = true }), csv.encode({ { "=1+1", -1 } }, { safe = true }),
          csv.encode({ { "" } }), csv.encode({}) }
        """#) == #"["n,name\r\n1,x\r\n2.5,\r\n","'=1+1,-1\r\n","\"\"\r\n",""]"#)
  }

  @Test("a template fills its holes, escaped for where they are")
  func fills() throws {
    let rows: [(String, String, String)] = [
      ("'{{a}} {{{a}}} {{& a}}'", "{ a = '<\"&>' }", "&lt;&quot;&amp;&gt; <\"&> <\"&>"),
      ("'{{a.b.2}} {{ a.b.1 }}'", "{ a = { b = { 'x', 'y' } } }", "y x"),
      ("'{{#l}}{{.}},{{/l}}'", "{ l = { 1, 2 } }", "1,2,"),
      ("'{{#l}}{{n}}{{out}} {{/l}}'", "{ out = '!', l = { { n = 1 }, { n = 2 } } }", "1! 2! "),
      ("'{{#p}}{{q}}{{/p}}{{^p}}none{{/p}}'", "{ p = { q = 1 } }", "1"),
      ("'{{#p}}x{{/p}}{{^p}}none{{/p}}'", "{ p = {} }", "none"), ("'{{#t}}x{{/t}}'", "{ t = true }", "x"),
      ("'a\\n{{#t}}\\nb\\n{{/t}}\\n{{! c }}\\nd'", "{ t = true }", "a\nb\nd"),
      (
        "'{{a | url}} {{a | json}} {{a | shell}} {{a | sql}} {{a | csv}}'", "{ a = \"x'y,\" }",
        "x%27y%2C \"x'y,\" 'x'\\''y,' 'x''y,' \"x'y,\""
      ),
      ("'{{a | json}}'", "{ a = { 1, 'x' } }", "[1,\"x\"]"), ("'{{a}}'", "{ a = false }", "false"),
      ("'{{a}}'", "{ a = '{{b}}', b = 'no' }", "{{b}}"),
    ]
    for (text, values, expected) in rows {
      #expect(
        try run(
          "return assert(template.render(\(text), \(values)) == \([expected].debugDescription.dropFirst().dropLast()) or nil, template.render(\(text), \(values)))"
        ) == "true", "\(text)")
    }
    #expect(try run("return template.render('[{{a}}]', {}, { missing = 'empty' })") == "\"[]\"")
  }

  @Test("what is wrong is said at the script's line")
  func misuse() throws {
    let rows: [(String, String)] = [
      ("csv.decode(1)", "csv.decode: expected a text (a string) as argument 1, got a number"),
      ("csv.decode('', { delimiter = 'ab' })", "csv.decode: options.delimiter must be one character, not \"ab\""),
      ("csv.decode('', { delimeter = ',' })", "csv.decode: options.delimeter: unknown field"),
      ("csv.decode('', 7)", "csv.decode: expected a table of options as argument 2, got a number"),
      ("csv.decode('', { quote = ',' })", "csv.decode: options.delimiter is also the quote or the escape"),
      ("csv.encode('x')", "csv.encode: expected a list of rows as argument 1, got a string"),
      ("csv.encode({ 1 })", "csv.encode: row 1 is a number, expected a table"),
      ("csv.encode({ { {} } })", "csv.encode: row 1, field 1: expected a string, number or boolean, got a table"),
      ("csv.rows(nil)", "csv.rows: expected a text, or a function that answers pieces of one, as argument 1, got nil"),
      ("csv.rows(function() return 7 end)()", "csv.rows: the source answered a number, expected a string or nil"),
      ("template.render()", "template.render: expected a text (a string) as argument 1, got nil"),
      ("template.render('{{', {})", "template.render: line 1: {{ is not closed"),
      ("template.render('\\n{{#a}}', {})", "template.render: line 2: {{#a}} is not closed"),
      ("template.render('{{/a}}', {})", "template.render: line 1: {{/a}} closes nothing"),
      ("template.render('{{a b}}', {})", "template.render: line 1: \"a b\" is no name: write"),
      ("template.render('{{a | xml}}', {})", "template.render: line 1: \"xml\" is no escaping: write"),
      ("template.render('{{a}}', {})", "template: line 1: there is no value for \"a\""),
      ("template.render('{{a}}', { a = {} })", "template: line 1: \"a\" is a table"),
      ("template.render('{{a}}', { a = print })", "template: line 1: \"a\" is a function"),
      ("template.render('', 1)", "template.render: expected a table of values, got a number"),
      ("template.compile('', { escape = 'xml' })", "template.compile: options.escape must be"),
      ("template.compile('{{a}}')({})", "template: line 1: there is no value"),
      ("hash.random(-1)", "hash.random: expected from 0 to 1048576 bytes, not -1"),
      ("hash.random('x')", "hash.random: expected a number of bytes as argument 1, got a string"),
      ("hash.sha512()", "hash.sha512: expected bytes (a string) as argument 1, got no value"),
      ("hash.equal('a')", "hash.equal: expected bytes (a string) as argument 2, got no value"),
    ]
    for (call, message) in rows {
      let report = try PoolFixture().run("local x = 1\n\(call)\nreturn x")
      #expect(report.error?.line == 3, "\(call)")
      #expect(report.error?.message.contains(message) == true, "\(call): \(report.error?.message ?? "fine")")
    }
    // A function's own error is not touched.
    #expect(try run("csv.rows(function() error('mine', 0) end)()") == "mine")
  }

  @Test("hashes are those of their standards")
  func hashes() throws {
    let rows: [(String, String)] = [
      (
        "sha512('')",
        "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"
      ),
      (
        "sha512('abc')",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
      ),
      (
        "sha512(('a'):rep(1000000))",
        "e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973ebde0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b"
      ),
      ("md5('')", "d41d8cd98f00b204e9800998ecf8427e"), ("md5('message digest')", "f96b697d7cb7938d525a2f31aaf161d0"),
      ("md5(('1234567890'):rep(8))", "57edf4a22be3c955ac49da2e2107b67a"),
    ]
    for (call, expected) in rows { #expect(try run("return hash.\(call)") == "\"\(expected)\"", "\(call)") }
    #expect(
      try run("return { hash.crc32(''), hash.crc32('123456789'), hash.crc32(('x'):rep(100000)) }")
        == "[0,3421780262,\(Self.crc(100_000))]")
    // Every length around the blocks.
    #expect(
      try run(
        "local all = {} for n = 0, 300 do all[#all + 1] = hash.sha512(('a'):rep(n)) .. hash.md5(('a'):rep(n)) end return hash.sha256(table.concat(all))"
      ) != "")
  }

  private static func crc(_ count: Int) -> UInt32 {
    var crc: UInt32 = .max
    for _ in 0..<count {
      crc ^= 0x78
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xedb8_8320 : crc >> 1 }
    }
    return ~crc
  }
}
