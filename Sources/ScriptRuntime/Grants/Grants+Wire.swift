package import Basics

/// Grants on their way to the process that runs a script.
extension Grants {
  package func write(to writer: inout WireWriter) {
    switch files {
    case .any: writer.write(true)
    case .below(let roots):
      writer.write(false)
      writer.write(list: roots) {
        $0.write($1.path)
        $0.write($1.isWritable)
      }
    }
    for names in [exec, execEnvironment, env, secret] { names.write(to: &writer) }
    http.write(to: &writer)
    mail.write(to: &writer)
  }

  package init(reading reader: inout WireReader) throws(WireError) {
    self.init()
    files =
      try reader.bool()
      ? .any
      : .below(
        try reader.list { reader throws(WireError) in
          FileRoot(path: try reader.text(), isWritable: try reader.bool())
        })
    exec = try Names(reading: &reader)
    execEnvironment = try Names(reading: &reader)
    env = try Names(reading: &reader)
    secret = try Names(reading: &reader)
    http = try HTTPGrants(reading: &reader)
    mail = try HTTPGrants(reading: &reader)
  }
}

extension Grants.Names {
  fileprivate func write(to writer: inout WireWriter) {
    switch self {
    case .none: writer.write(UInt8(0))
    case .any: writer.write(UInt8(1))
    case .some(let patterns):
      writer.write(UInt8(2))
      writer.write(patterns)
    }
  }

  fileprivate init(reading reader: inout WireReader) throws(WireError) {
    switch try reader.number(UInt8.self) {
    case 0: self = .none
    case 1: self = .any
    case 2: self = .some(try reader.texts())
    default: throw WireError("names that are neither none, all nor some")
    }
  }
}
