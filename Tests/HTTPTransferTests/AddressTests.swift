import Basics
import HTTPTransfer
import Testing

@Suite struct AddressTests {
  @Test(
    "an address is read as RFC 4291 writes it, and written as RFC 5952 does",
    arguments: [
      ("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::", "::"), ("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
      ("::ffff:10.0.0.1", "10.0.0.1"), ("::ffff:a00:1", "10.0.0.1"), ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
      ("64:ff9b::10.0.0.1", "64:ff9b::a00:1"), ("fe80::1", "fe80::1"),
    ])
  func reads(text: String, shown: String) { #expect(IPAddress(text)?.description == shown) }

  @Test(
    "what is no address is none",
    arguments: [
      "", "1.2.3", "1.2.3.4.5", "01.2.3.4", "256.0.0.1", "1.2.3.-4", "0x7f.0.0.1", "127.1", ":", ":::", "1::2::3",
      "12345::",
      "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "::1%eth0", "g::", "1.2.3.4::", "localhost", "+1::",
    ])
  func refuses(text: String) { #expect(IPAddress(text) == nil) }

  @Test(
    "what is not anybody's on the internet is not public, however it is wrapped",
    arguments: [
      "0.0.0.0", "0.1.2.3", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1",
      "172.31.255.255", "192.0.0.1", "192.168.1.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::",
      "::1",
      "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::127.0.0.1", "64:ff9b::169.254.169.254",
      "64:ff9b:1::1", "fe80::1", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1", "2002:7f00:1::", "2001::1", "100::1",
      "fec0::1",
    ])
  func special(text: String) throws { #expect(try !#require(IPAddress(text)).isPublic) }

  @Test(
    "what is somebody's is",
    arguments: ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8"])
  func isPublic(text: String) throws { #expect(try #require(IPAddress(text)).isPublic) }

  @Test func networks() throws {
    let ten = try #require(IPNetwork("10.0.0.0/8"))
    #expect(ten.contains(IPAddress("10.255.0.1")!) && !ten.contains(IPAddress("11.0.0.1")!))
    #expect(ten.contains(IPAddress("::ffff:10.0.0.1")!) && ten.contains(IPAddress("64:ff9b::10.0.0.1")!))
    let odd = try #require(IPNetwork("172.16.0.0/12"))
    #expect(odd.contains(IPAddress("172.31.0.1")!) && !odd.contains(IPAddress("172.32.0.1")!))
    #expect(try #require(IPNetwork("0.0.0.0/0")).contains(IPAddress("8.8.8.8")!))
    #expect(IPNetwork("10.0.0.0/33") == nil && IPNetwork("10.0.0.0/") == nil && IPNetwork("a/8") == nil)
    #expect(IPNetwork("::1")?.description == "::1" && IPNetwork("fd00::/8")?.description == "fd00::/8")
  }

  @Test(
    "a URL's host is what the connection goes to, however it is spelt",
    arguments: [
      ("http://EXAMPLE.org/a b", "example.org", 80), ("https://x.example:8443", "x.example", 8443),
      ("http://0x7f.1/", "127.0.0.1", 80), ("http://2130706433/", "127.0.0.1", 80),
      ("http://0177.0.0.1/", "127.0.0.1", 80),
      ("http://127.1/", "127.0.0.1", 80), ("http://[::1]/", "::1", 80), ("http://[::ffff:127.0.0.1]/", "127.0.0.1", 80),
      ("http://user:pass@example.org/", "example.org", 80), ("http://%65xample.org/", "example.org", 80),
      ("http://b\u{FC}cher.example/", "xn--bcher-kva.example", 80),
      ("http://example.org#@evil.example/", "example.org", 80),
      ("http://evil.example\\@example.org/", "example.org", 80), ("http://①②⑦.⓪.⓪.①/", "127.0.0.1", 80),
    ] as [(String, String?, Int)])
  func hosts(text: String, host: String?, port: Int) {
    let url = try? HTTPURL(text)
    #expect(url?.host == host, "\(text)")
    if host != nil { #expect(url?.port == port) }
  }

  @Test func urls() throws {
    let url = try HTTPURL("http://u:p%40@example.org/a?x=1#f", query: [("k", "a b&c"), ("k", "ü")])
    #expect(url.text == "http://example.org/a?x=1&k=a%20b%26c&k=%c3%bc")
    #expect(url.credentials == "u:p@" && url.shown == "http://example.org/a")
    #expect(try url.resolving("../b").text == "http://example.org/b")
    #expect(try url.resolving("//other.example/x").host == "other.example")
    for bad in [
      "", "example.org", "ftp://example.org/", "file:///etc/passwd", "http://", "http://a\u{0}b/", "gopher://x/",
    ] {
      #expect(throws: HTTPURL.Problem.self, "\(bad)") { try HTTPURL(bad) }
    }
    #expect(throws: HTTPURL.Problem.self) { try url.resolving("gopher://x/") }
    #expect(throws: HTTPURL.Problem.self) { try HTTPURL("http://[fe80::1%25lo]/") }
  }

  @Test func proxies() throws {
    let proxies = HTTPProxies { name in
      [
        "http_proxy": "http://p:3128", "HTTP_PROXY": "http://bad", "https_proxy": "s:1",
        "no_proxy": "in.example,.b, 10.0.0.0/8",
      ][
        name]
    }
    #expect(try proxies.proxy(for: HTTPURL("http://a.example/")) == "http://p:3128")
    #expect(try proxies.proxy(for: HTTPURL("https://a.example/")) == "s:1")
    for own in ["http://in.example/", "http://x.in.example/", "http://c.b/", "http://10.1.2.3/"] {
      #expect(try proxies.proxy(for: HTTPURL(own)) == nil, "\(own)")
    }
    #expect(try HTTPProxies { ["HTTP_PROXY": "http://bad"][$0] }.proxy(for: HTTPURL("http://a/")) == nil)
  }
}
