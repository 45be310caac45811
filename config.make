# cargo knows what has changed: it is asked each time. nginx-sys reads nginx's Makefile, so the whole of
# ./configure comes first.
cat << END >> $NGX_MAKEFILE

.PHONY: $ngx_secure_link_hmac_lib

$ngx_secure_link_hmac_lib:
	cd "$ngx_addon_dir" \\
	&& NGINX_SOURCE_DIR="$PWD" NGINX_BUILD_DIR="$ngx_secure_link_hmac_objs" \\
	\$\${CARGO:-cargo} rustc --release --locked --lib --crate-type staticlib --no-default-features \\
		--target-dir "$ngx_secure_link_hmac_target"

END
