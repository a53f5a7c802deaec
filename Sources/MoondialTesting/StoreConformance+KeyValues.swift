internal import Chronology
internal import JobModel

extension StoreConformance {
  static let keyValueClaims: [Claim] = [
    Claim("a value is there after its change completed, and in its space only") { subject in
      try with(subject) { store in
        let values = store.keyValues
        try expect(try values.change(set("k", "1"), at: second(0)), "a plain change is done")
        try expectEqual(values.value(of: "k", in: "s", at: second(0))?.value, JSONText("1"), "the value")
        try expectEqual(values.value(of: "k", in: "other", at: second(0)), nil, "another space")
        try expectEqual(values.value(of: "", in: "s", at: second(0)), nil, "the empty key")
      }
    },
    Claim("versions rise with each change and never come back") { subject in
      try with(subject) { store in
        let values = store.keyValues
        var versions: [Int64] = []
        for _ in 0..<3 {
          try values.change(set("k", "1"), at: second(0))
          versions.append(try values.value(of: "k", in: "s", at: second(0))?.version ?? 0)
          try values.change(set("k", nil), at: second(0))
          try expectEqual(values.value(of: "k", in: "s", at: second(0)), nil, "a deleted key")
        }
        try expect(
          versions[0] > 0 && versions[0] < versions[1] && versions[1] < versions[2], "versions rise: \(versions)")
      }
    },
    Claim("compare-and-swap only changes what it expected") { subject in
      try with(subject) { store in
        let values = store.keyValues
        try expect(try !values.change(set("k", "1", expecting: 5), at: second(0)), "an absent key has version 0")
        try expect(try values.change(set("k", "1", expecting: 0), at: second(0)), "expecting absence")
        try expect(try !values.change(set("k", "2", expecting: 0), at: second(0)), "it is there now")
        let version = try values.value(of: "k", in: "s", at: second(0))?.version ?? 0
        try expect(try values.change(set("k", "2", expecting: version), at: second(0)), "the right version")
        try expect(try !values.change(set("k", nil, expecting: version), at: second(0)), "the old version")
        try expectEqual(values.value(of: "k", in: "s", at: second(0))?.value, JSONText("2"), "the value")
      }
    },
    Claim("a value is absent from the instant of its expiry on") { subject in
      try with(subject) { store in
        let values = store.keyValues
        try values.change(set("k", "1", expiresAt: second(10)), at: second(0))
        try expectEqual(
          values.value(of: "k", in: "s", at: Instant(nanoseconds: second(10).nanoseconds - 1))?.expiresAt, second(10),
          "just before")
        try expectEqual(values.value(of: "k", in: "s", at: second(10)), nil, "at its expiry")
        try expectEqual(values.keys(prefix: "", in: "s", limit: 9, at: second(10)), [], "keys at its expiry")
        try expect(try values.change(set("k", "2", expecting: 0), at: second(10)), "an expired key counts as absent")
      }
    },
    Claim("keys come by prefix, in byte order, up to the limit") { subject in
      try with(subject) { store in
        let values = store.keyValues
        for key in ["b", "a/2", "a/10", "a", "é", "a/\u{10ffff}", "A", ""] {
          try values.change(set(key, "0"), at: second(0))
        }
        try expectEqual(
          values.keys(prefix: "a/", in: "s", limit: 9, at: second(0)), ["a/10", "a/2", "a/\u{10ffff}"], "prefix")
        try expectEqual(values.keys(prefix: "", in: "s", limit: 4, at: second(0)), ["", "A", "a", "a/10"], "limit")
        try expectEqual(values.keys(prefix: "é", in: "s", limit: 0, at: second(0)), [], "limit 0")
      }
    },
    Claim("a space has as many bytes as its quota says, deleted and replaced values make room, others are left alone") {
      subject in
      try with(subject) { store in
        let values = store.keyValues
        func put(_ key: String, _ size: Int?, in space: String = "s") throws -> Bool {
          var change = KeyValueChange(
            space: space, key: key, value: size.map { JSONText(String(repeating: "1", count: $0)) })
          change.quota = 1_000
          do throws(StoreError) {
            return try values.change(change, at: second(0))
          } catch {
            try expect(error.code == .quota && error.message.contains("1000"), "the quota and its figure: \(error)")
            return false
          }
        }
        try expect(try put("a", 500) && put("b", 400), "there is room")
        try expect(try !put("c", 200), "there is none")
        try expectEqual(values.value(of: "c", in: "s", at: second(0)), nil, "what was refused")
        try expect(try put("c", 200, in: "other"), "another space has its own")
        try expect(try put("a", 400) && put("b", 100) && put("c", 200), "smaller values make room")
        try expect(try put("a", nil) && put("d", 600), "and deleted ones")
        try expect(try !put("e", 600), "it is full again")
        try expect(try values.change(set("f", String(repeating: "1", count: 5_000)), at: second(0)), "without a quota")
        try expect(try put("f", 4_000), "what is too large already may become smaller")
      }
    },
    Claim("values survive closing and opening", needsDurability: true) { subject in
      try with(subject) { store in
        _ = try store.keyValues.change(set("k", #"{"a":[1]}"#, expiresAt: second(99)), at: second(0))
      }
      try with(subject) { store in
        let found = try store.keyValues.value(of: "k", in: "s", at: second(1))
        try expectEqual(found?.value, JSONText(#"{"a":[1]}"#), "the value")
        try expectEqual(found?.expiresAt, second(99), "its expiry")
      }
    },
  ]

  private static func set(
    _ key: String, _ value: String?, expiresAt: Instant? = nil, expecting: Int64? = nil
  ) -> KeyValueChange {
    KeyValueChange(space: "s", key: key, value: value.map { JSONText($0) }, expiresAt: expiresAt, expecting: expecting)
  }
}
