// mcs Sign.cs && mono Sign.exe SECONDS PATH...
using System;
using System.Linq;
using System.Security.Cryptography;
using System.Text;

static class Sign
{
    static string Link(string path, int seconds)
    {
        string secret = Environment.GetEnvironmentVariable("SECURE_LINK_SECRET");
        long ts = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        using (var hmac = new HMACSHA256(Encoding.UTF8.GetBytes(secret)))
        {
            byte[] mac = hmac.ComputeHash(Encoding.UTF8.GetBytes($"{path}|{ts}|{seconds}"));
            string st = Convert.ToBase64String(mac).Replace('+', '-').Replace('/', '_').TrimEnd('=');
            string encoded = string.Join("/", path.Split('/').Select(Uri.EscapeDataString));
            return $"{encoded}?st={st}&ts={ts}&e={seconds}";
        }
    }

    static void Main(string[] args)
    {
        foreach (string path in args.Skip(1)) Console.WriteLine(Link(path, int.Parse(args[0])));
    }
}
