/// The trigger constructors as the Lua language server reads them, written from the table of constructors.
package enum EditorTypes {
  /// The classes that constructors' parameters name.
  package static var classes: String {
    let own = ConstructorName.allCases.map { $0.constructor.editorTypes }.filter { !$0.isEmpty }
    return ([options] + own).joined(separator: "\n\n")
  }

  /// One declaration a constructor.
  package static var functions: String {
    ConstructorName.allCases.map { declaration(of: $0) }.joined(separator: "\n")
  }

  private static let options = """
    ---Options that every trigger constructor takes.
    ---@class moondial.TriggerOptions
    ---@field timezone? string
    ---@field dst? table
    ---@field start_date? moondial.Time
    ---@field end_date? moondial.Time
    """

  private static func declaration(of name: ConstructorName) -> String {
    let constructor = name.constructor
    let parameters = constructor.parameters
    let lines = parameters.map { "---@param \($0)\n" }.joined()
    let names = parameters.map { String($0.prefix { $0 != " " && $0 != "?" }) }.joined(separator: ", ")
    return """
      ---Fires \(constructor.summary): `\(constructor.example)`.
      \(lines)---@return moondial.Trigger
      function \(constructor.name)(\(names)) end

      """
  }
}
