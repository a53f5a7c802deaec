import Testing

@testable import FileWatching

@Suite("Patterns of files")
struct FilePatternTests {
  struct Row: Sendable, CustomTestStringConvertible {
    var pattern: String
    var matches: [String]
    var others: [String]
    var testDescription: String { pattern }
  }

  @Test(
    "what a pattern means, and what it does not",
    arguments: [
      Row(
        pattern: "/in/*.csv", matches: ["/in/a.csv", "/in/ü b.csv", "/in/a.b.csv"],
        others: [
          "/in/a.txt", "/in/.a.csv", "/in/x/a.csv", "/a.csv", "/in/a.csv/b", "/in/a.csvx", "/other/a.csv", "/in",
        ]),
      Row(pattern: "/in/report.csv", matches: ["/in/report.csv"], others: ["/in/Report.csv", "/in/report.csv2"]),
      Row(pattern: "/in/a?c", matches: ["/in/abc", "/in/aüc"], others: ["/in/ac", "/in/abbc"]),
      Row(pattern: "/in/[a-c][!0-9]*", matches: ["/in/ax", "/in/cxyz"], others: ["/in/dx", "/in/a1", "/in/a"]),
      Row(pattern: "/in/[]x]", matches: ["/in/]", "/in/x"], others: ["/in/[", "/in/y"]),
      Row(pattern: "/in/[*]-[?]", matches: ["/in/*-?"], others: ["/in/a-b"]),
      Row(pattern: "/in/[a-]", matches: ["/in/a", "/in/-"], others: ["/in/b"]),
      Row(
        pattern: "/in/**/*.csv", matches: ["/in/a.csv", "/in/x/a.csv", "/in/x/y/a.csv"],
        others: ["/in/.git/a.csv", "/in/x/.y/a.csv", "/a.csv"]),
      Row(pattern: "/in/**", matches: ["/in/a", "/in/x/y"], others: ["/in", "/in/.a"]),
      Row(
        pattern: "/in/*/done/**/x", matches: ["/in/a/done/x", "/in/a/done/b/c/x"], others: ["/in/done/x", "/in/a/x"]),
      Row(pattern: "/in/**/a/**/b", matches: ["/in/a/b", "/in/x/a/y/a/z/b"], others: ["/in/b", "/in/x/b"]),
      Row(pattern: "/in/*a*b*a*", matches: ["/in/aba", "/in/xxaxxbxxaxx"], others: ["/in/aab", "/in/ba"]),
      // Hidden and temporary files only when they are asked for.
      Row(
        pattern: "/in/*", matches: ["/in/a", "/in/a.tmpl", "/in/apart"],
        others: [
          "/in/.a", "/in/a~", "/in/.a.swp", "/in/a.part", "/in/a.tmp", "/in/a.crdownload", "/in/#a#", "/in/a.partial",
        ]),
      Row(pattern: "/in/*.tmp", matches: ["/in/a.tmp"], others: ["/in/.a.tmp"]),
      Row(pattern: "/in/.*", matches: ["/in/.a"], others: ["/in/a", "/in/.a.swp"]),
      Row(pattern: "/in/a~", matches: ["/in/a~"], others: ["/in/a"]),
    ])
  func matching(row: Row) throws {
    let patterns = try PathPattern.parse(row.pattern, from: "/")
    for path in row.matches { #expect(patterns.contains { $0.matches(path) }, "\(path)") }
    for path in row.others { #expect(!patterns.contains { $0.matches(path) }, "\(path)") }
  }

  @Test(
    "relative patterns start at the base, and dots are worked out",
    arguments: [
      ("in/*.csv", "/srv/in/*.csv"), ("./in/./*", "/srv/in/*"), ("../in/*", "/in/*"), ("//in///*", "/in/*"),
      ("*", "/srv/*"), ("in/x/../*", "/srv/in/*"),
    ])
  func relative(pattern: String, text: String) throws {
    #expect(try PathPattern.parse(pattern, from: "/srv").map(\.text) == [text])
  }

  @Test(
    "braces are written out",
    arguments: [
      ("/in/*.{csv,txt}", ["/in/*.csv", "/in/*.txt"]), ("/{a,b}/{c,d}", ["/a/c", "/b/c", "/a/d", "/b/d"]),
      ("/in/a{,b}", ["/in/a", "/in/ab"]), ("/in/[{]a", ["/in/[{]a"]),
    ])
  func braces(pattern: String, texts: [String]) throws {
    #expect(try PathPattern.parse(pattern, from: "/").map(\.text) == texts)
  }

  @Test(
    "searching begins in the directory before the first wildcard",
    arguments: [
      ("/srv/in/*.csv", "/srv/in"), ("/srv/in/a.csv", "/srv/in"), ("/srv/*/in/a", "/srv"), ("/srv/**/a", "/srv"),
      ("/*", "/"),
      ("/srv/[ab]/x/*", "/srv"),
    ])
  func roots(pattern: String, root: String) throws {
    #expect(try PathPattern.parse(pattern, from: "/").map(\.root) == [root])
  }

  @Test(
    "a directory leads there when a file below it could be meant",
    arguments: [
      ("/srv/in/*.csv", ["/", "/srv", "/srv/in"], ["/srv/in/x", "/srv/out", "/in"]),
      ("/srv/*/in/*", ["/srv/a", "/srv/a/in"], ["/srv/a/out", "/srv/.a", "/srv/a/in/b"]),
      ("/srv/**/x", ["/srv/a/b/c", "/srv"], ["/srv/a/.git", "/other"]),
    ])
  func leading(pattern: String, through: [String], others: [String]) throws {
    let parsed = try PathPattern.parse(pattern, from: "/")[0]
    for path in through { #expect(parsed.leads(through: path), "\(path)") }
    for path in others { #expect(!parsed.leads(through: path), "\(path)") }
  }

  @Test(
    "a pattern that cannot be meant is refused with a remedy",
    arguments: [
      ("", "it is empty"), ("/in/", "write /in/* for the files in it"), ("/in/[a", "a [ has no ]"),
      ("/in/{a", "a { has no }"),
      ("/in/a}", "a } has no {"), ("/in/{a,{b,c}}", "cannot be nested"), ("/in/x**", "between slashes"),
      ("/", "names a directory"),
      ("/**/a", "the whole machine"), ("/*/a", "the whole machine"), ("/in/*/../a", ".. cannot follow a wildcard"),
      ("/in/a\nb", "control character"), ("~/a", "write the whole path"), ("/in/[b-a]", "write [a-b]"),
      ("/{a,b,c,d}{a,b,c,d}{a,b,c,d}{a,b,c,d}", "more than 64 patterns"), ("/..", "names the directory /"),
    ])
  func refused(pattern: String, message: String) {
    #expect { try PathPattern.parse(pattern, from: "/") } throws: {
      ($0 as? PathPatternError)?.message.contains(message) == true
    }
  }

  @Test("a hostile name costs no more than its length times the pattern's")
  func linear() throws {
    let pattern = try SegmentPattern(String(repeating: "*a", count: 40) + "b")
    #expect(!pattern.matches(String(repeating: "a", count: 4_000)))
  }
}
