# ruby sign.rb SECONDS PATH...
require 'erb'
require 'openssl'

def link(path, seconds)
  ts = Time.now.to_i
  mac = OpenSSL::HMAC.digest('SHA256', ENV.fetch('SECURE_LINK_SECRET'), "#{path}|#{ts}|#{seconds}")
  st = [mac].pack('m0').tr('+/', '-_').delete('=')
  encoded = ERB::Util.url_encode(path).gsub('%2F', '/')
  "#{encoded}?st=#{st}&ts=#{ts}&e=#{seconds}"
end

seconds, *paths = ARGV
paths.each { |path| puts link(path, seconds) }
