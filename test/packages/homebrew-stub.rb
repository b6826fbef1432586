# As much of Homebrew as a formula of ours meets: `ruby homebrew-stub.rb FORMULA SYSTEM PROCESSOR UNPACKED PREFIX` prints
# the address and the hash that it has for the platform. Where UNPACKED names a folder it installs what is in there
# below PREFIX and runs the formula's own test.
require "fileutils"
require "open3"
require "pathname"
require "tmpdir"

SYSTEM, PROCESSOR = ARGV[1], ARGV[2]

class Place < Pathname
  def install(*things)
    mkpath
    things.flatten.each do |thing|
      pairs = thing.is_a?(Hash) ? thing : { thing => File.basename(thing) }
      pairs.each do |from, name|
        raise "there is no #{from} to install" unless File.exist?(from)

        FileUtils.cp(from, self + name)
      end
    end
  end

  def install_symlink(names)
    mkpath
    names.each { |from, name| FileUtils.ln_s(from, self + name) }
  end

  def /(other)
    Place.new(super)
  end
end

class Formula
  class << self
    attr_reader :said, :trial

    %i[desc homepage version license url sha256].each do |name|
      define_method(name) do |value = nil|
        (@said ||= {})[name] = value unless value.nil?
        @said[name]
      end
    end

    def on_macos
      yield if SYSTEM == "macos"
    end

    def on_linux
      yield if SYSTEM == "linux"
    end

    def on_arm
      yield if PROCESSOR == "arm"
    end

    def on_intel
      yield if PROCESSOR == "intel"
    end

    def service(&block)
      @service = block
    end

    def test(&block)
      @trial = block
    end
  end

  def initialize(prefix)
    @prefix = Place.new(prefix)
  end

  def version
    self.class.version
  end

  { bin: "bin", opt_bin: "bin", var: "var", man1: "share/man/man1", man5: "share/man/man5", man7: "share/man/man7",
    bash_completion: "etc/bash_completion.d", zsh_completion: "share/zsh/site-functions",
    fish_completion: "share/fish/vendor_completions.d" }.each do |name, folder|
    define_method(name) { @prefix/folder }
  end

  def shell_output(line, status = 0)
    said, ended = Open3.capture2(line)
    raise "#{line} ended with #{ended.exitstatus}" unless ended.exitstatus == status

    said
  end

  def pipe_output(line, input, status = nil)
    said, ended = Open3.capture2(line, stdin_data: input)
    raise "#{line} ended with #{ended.exitstatus}" unless status.nil? || ended.exitstatus == status

    said
  end

  def assert_match(part, text)
    raise "#{text.inspect} lacks #{part.inspect}" unless text.match?(part.is_a?(String) ? Regexp.escape(part) : part)
  end

  def assert_equal(wanted, found)
    raise "#{found.inspect} is not #{wanted.inspect}" unless wanted == found
  end
end

require ARGV[0]
puts Hypershell.url, Hypershell.sha256
unpacked, prefix = ARGV[3], ARGV[4]
if unpacked
  ENV["HOME"] = Dir.mktmpdir
  formula = Hypershell.new(prefix)
  Dir.chdir(unpacked) { formula.install }
  Dir.chdir(ENV["HOME"]) { formula.instance_eval(&Hypershell.trial) }
  FileUtils.rm_r(ENV["HOME"])
end
