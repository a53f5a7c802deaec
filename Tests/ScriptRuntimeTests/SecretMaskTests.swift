import Lua
import Testing

@testable import HostModules
@testable import ScriptRuntime

@Suite("the mask of secrets")
struct SecretMaskTests {
  private func mask(_ values: String...) -> SecretMask {
    let mask = SecretMask()
    for (number, value) in values.enumerated() { mask.add(Array(value.utf8), of: "s\(number)") }
    return mask
  }

  @Test("values are hidden wherever they stand, the longest first")
  func texts() {
    let mask = mask("abcd", "abcdef", "zzzz")
    #expect(mask.masked("abcdefabcdzzzz.abc") == "*********.abc")
    #expect(mask.masked("ABCD") == "ABCD" && mask.masked("") == "" && mask.masked("abc") == "abc")
    #expect(SecretMask().masked("abcd") == "abcd")
  }

  @Test("values of fewer than four bytes, and short lines, are not; long lines are")
  func lines() {
    let mask = mask("abc", "first-long-line\nshort\nsecond-long-line")
    #expect(mask.masked("abc short first-long-line") == "abc short ***")
    #expect(mask.masked("x first-long-line\nshort\nsecond-long-line y") == "x *** y")
  }

  @Test("in values: strings, keys and digits, however deep")
  func values() {
    let mask = mask("s3cret", "12345678")
    let value: LuaValue = ["s3cret": ["a s3cret", 12_345_678, 912_345_678.5, 5, true], "b": .nil]
    #expect(mask.masked(value) == ["***": ["a ***", "***", "***", 5, true], "b": .nil])
  }

  @Test("what has no value of a secret in it is as it was, NaN too")
  func unchanged() {
    let values: [LuaValue] = [.number(.nan), ["a": .number(.nan), "b": ["text", 5]], .nil, "text"]
    for value in values {
      for mask in [mask("s3cret"), SecretMask()] {
        if case .some(let hidden) = mask.hiding(value) { Issue.record("\(hidden)") }
        #expect("\(mask.masked(value))" == "\(value)")
      }
    }
    #expect(mask("s3cret").hiding(["b": "s3cret"]) == ["b": "***"])
  }

  @Test("the beginning of a value at a cut is hidden too", arguments: ["", "…", "\\xC3", "\u{FFFD}"])
  func cut(_ sign: String) {
    let mask = mask("correct horse battery")
    #expect(mask.masked("it is correct hor\(sign)", mayBeCut: true) == "it is ***")
    #expect(mask.masked("it is corr", mayBeCut: true) == "it is ***")
    #expect(mask.masked("it is cor", mayBeCut: true) == "it is cor")
    #expect(mask.masked("correct hor, or not", mayBeCut: true) == "correct hor, or not")
  }

  @Test("values that are no text are hidden as bytes, as they are shown, and as JSON writes them")
  func bytes() {
    let mask = SecretMask()
    mask.add([0xFF, 0xFE, 65, 66, 67], of: "raw")
    mask.add(Array("say \"hi\"\\now".utf8), of: "quoted")
    #expect(mask.masked([1, 0xFF, 0xFE, 65, 66, 67, 2]) == [1, 42, 42, 42, 2])
    #expect(mask.masked("<\\xFF\\xFEABC>") == "<***>")
    #expect(mask.masked(#"{"code":"say \"hi\"\\now"}"#) == #"{"code":"***"}"#)
  }

  @Test("values are hidden as addresses have them: with percent signs, and as a host's name in small letters")
  func addresses() {
    let mask = mask("Top Secret/ü?", "LetMe.In-2", "Word")
    for form in [
      "Top%20Secret%2F%C3%BC%3F", "Top%20Secret%2f%c3%bc%3f", "Top%20Secret/%C3%BC?", "Top%20Secret/%c3%bc?",
    ] { #expect(mask.masked("POST http://h/\(form)!") == "POST http://h/***!", "\(form)") }
    #expect(mask.masked("no address of letme.in-2.example.org") == "no address of ***.example.org")
    #expect(mask.masked("a word, and Word") == "a word, and ***", "a short one in small letters is any word")
  }

  @Test("of one name the newest values are hidden, and of all the names that were asked for last")
  func bounds() {
    let mask = SecretMask()
    for number in 1...20 { mask.add(Array("value-\(number)-x".utf8), of: "one") }
    #expect(mask.masked("value-20-x value-5-x value-4-x") == "*** *** value-4-x")
    for number in 1...SecretMask.names { mask.add(Array("other-\(number)-x".utf8), of: "\(number)") }
    #expect(mask.masked("value-20-x other-1-x") == "value-20-x ***")
  }
}
