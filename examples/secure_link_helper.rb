# A helper of Rails, app/helpers/secure_link_helper.rb:
#     <%= link_to 'Report', secure_link_path('/files/report.pdf', expires_in: 1.hour) %>
require 'openssl'

module SecureLinkHelper
  def secure_link_path(path, expires_in: 300)
    ts, seconds = Time.now.to_i, expires_in.to_i
    mac = OpenSSL::HMAC.digest('SHA256', ENV.fetch('SECURE_LINK_SECRET'), "#{path}|#{ts}|#{seconds}")
    st = [mac].pack('m0').tr('+/', '-_').delete('=')
    encoded = ERB::Util.url_encode(path).gsub('%2F', '/')
    "#{encoded}?st=#{st}&ts=#{ts}&e=#{seconds}"
  end
end
